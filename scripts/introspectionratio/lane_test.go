package main

import (
	"strings"
	"testing"
)

func TestOnlyAWholeGoodAnswerCounts(t *testing.T) {
	const good = `{"active":true}`
	tests := []struct {
		name, answer string
		whole, fails bool
	}{
		{"nothing yet", "", false, false},
		{"half a head", "HTTP/1.1 200 OK\r\nContent-Le", false, false},
		{"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n" + good[:4], false, false},
		{"an introspection", "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n" + good, true, false},
		{"what a proxy hears", "HTTP/1.1 200 OK\r\nRemote-User: u\r\nContent-Length: 0\r\n\r\n", true, false},
		{"a token that is refused", "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n" + `{"active":false}`, false, true},
		{"nobody", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, true},
		{"an error", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 15\r\n\r\n" + good, false, true},
		{"no length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, true},
		{"a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + good, false, true},
		{"more than one answer", "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n" + good + "HTTP", false, true},
		{"a head without end", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", largestAnswer), false, true},
		{"a body without end", "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + strings.Repeat("y", largestAnswer), false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := make([]byte, 0, largestAnswer)
			answer = append(answer, test.answer[:min(len(test.answer), largestAnswer)]...)
			whole, err := isWhole(answer)
			if whole != test.whole || (err != nil) != test.fails {
				t.Errorf("isWhole = %v, %v; want %v, an error: %v", whole, err, test.whole, test.fails)
			}
		})
	}
}
