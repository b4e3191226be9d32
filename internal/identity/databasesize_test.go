package identity

import "testing"

func TestSizeText(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 99_949: "99.9 kB", 100_000: "100 kB", 12_600_000_000: "12.6 GB", 3_000_000_000_000_000: "3000 TB",
	} {
		if got := SizeText(bytes); got != want {
			t.Errorf("%d bytes are %q, want %q", bytes, got, want)
		}
	}
}
