// Package identity holds the nouns of the product as plain values:
// organizations, users, tokens, events and what refers to them. It has no
// behaviour beyond checking and spelling values, and it stores nothing.
//
// Times are UTC with microsecond precision, as the store keeps them; a zero
// time means "never" or "not yet", whichever the field's comment says.
package identity
