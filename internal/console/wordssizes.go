package console

// sizesWords are those of the pages that say how much there is.
var sizesWords = map[string]string{
	"number.group": ",",
	"number.point": ".",

	"sizes.title":         "Size of the database",
	"sizes.words":         "What the database holds, and what keeps each table from growing for ever.",
	"sizes.none":          "The server has just started and has not looked yet. Open this page again in a moment.",
	"sizes.engine":        "Database",
	"sizes.whole":         "In all",
	"sizes.free":          "(of these %s are free for new rows)",
	"sizes.at":            "As of",
	"sizes.more":          "See too",
	"sizes.metrics":       "Metrics",
	"sizes.profiles":      "Profiles",
	"sizes.tables":        "Tables",
	"sizes.tables.words":  "The largest first, with their indexes. The number of rows is PostgreSQL's own estimate.",
	"sizes.tables.sqlite": "The longest first. How large each is can only be told by reading the whole file, which sallyport sizes does.",
	"sizes.table":         "Table",
	"sizes.rows":          "Rows",
	"sizes.size":          "Size",
	"sizes.bound":         "What bounds it",
	"sizes.empty":         "Empty:",
	"sizes.oldest":        "the oldest of %s",
	"sizes.by.days":       "Rows go after %d days",
	"sizes.by.age":        "Rows go by their age",
	"sizes.by.number":     "A greatest number",
	"sizes.by.owner":      "Rows go with what they belong to",
	"sizes.by.nobody":     "Rows stay: what is kept longer goes by them",
	"sizes.by.":           "Not known to this program",
}
