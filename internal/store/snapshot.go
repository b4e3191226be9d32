package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// snapshot is what one moment shows of the change log: entries before low, and
// those before high that were not running. Its text is PostgreSQL's,
// low:high:running,…; the zero snapshot shows nothing.
type snapshot struct {
	low, high int64
	running   []int64
}

func parseSnapshot(text string) (s snapshot, err error) {
	if text == "" {
		return s, nil
	}
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return s, fmt.Errorf("store: %q is no snapshot", text)
	}
	numbers := parts[:2]
	if parts[2] != "" {
		numbers = append(numbers, strings.Split(parts[2], ",")...)
	}
	list := make([]int64, len(numbers))
	for i, n := range numbers {
		if list[i], err = strconv.ParseInt(n, 10, 64); err != nil {
			return s, fmt.Errorf("store: %q is no snapshot", text)
		}
	}
	return snapshot{low: list[0], high: list[1], running: list[2:]}, nil
}

// shows says whether an entry of the change log had been committed.
func (s snapshot) shows(at int64) bool {
	return at < s.low || at < s.high && !slices.Contains(s.running, at)
}
