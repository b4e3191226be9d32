package credential

import (
	"crypto/sha256"
	_ "embed"
	"sort"
	"strings"
)

// commonTable holds the first five bytes of the SHA-256 of each common password in lower case, sorted. The program in
// commonlist chooses them from a public list, which is not part of this repository; docs/third-party.md names it.
//
//go:generate go run ./commonlist -out common.bin 10_million_password_list_top_1M.txt
//go:embed common.bin
var commonTable string

const commonEntry = 5 // bytes

// isCommon reports whether the word, in any case, is one of the common passwords. The table is searched where the program
// file was loaded, nothing is unpacked. One in nine million words that are not common is taken for one; that costs its owner
// another choice.
func isCommon(word string) bool {
	sum := sha256.Sum256([]byte(strings.ToLower(word)))
	want := string(sum[:commonEntry])
	n := len(commonTable) / commonEntry
	i := sort.Search(n, func(i int) bool { return commonAt(i) >= want })
	return i < n && commonAt(i) == want
}

func commonAt(i int) string { return commonTable[i*commonEntry : (i+1)*commonEntry] }
