package credential

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Exposed is a list of passwords that became public in breaches, on the disk of this server: nothing about a password leaves
// it. The forms are those in which Have I Been Pwned publishes its list of SHA-1 hashes and in which its downloader stores
// them:
//
//   - a folder with a file for each range, named after the first five hexadecimal digits of the hashes in it, with or without
//     .txt behind; a line is the other 35 digits, a colon, and how often the password was seen;
//   - one file with a line of 40 digits, a colon and the number for each hash, in the order of the hashes.
//
// Digits may be in either case, lines end with LF or CRLF. Lines with the number 0, which pad the answers of the service, count
// for nothing. The single file, which has tens of gigabytes, is searched where it is; nothing is kept in memory.
//
// A nil *Exposed is an empty list. Safe for use by several goroutines.
type Exposed struct {
	path string   // as the operator wrote it, for errors
	file *os.File // the single file; nil for a folder
	size int64
}

const (
	sha1Digits   = 2 * sha1.Size
	prefixDigits = 5

	// maxExposedLine is more than 40 digits, a colon, the longest number and the line break need.
	maxExposedLine = 80
	// exposedBlock is how little of the single file is read at once in the end instead of being halved further. It is
	// longer than two lines, so that a line begins in the middle of what is longer.
	exposedBlock = 4096
	// maxRangeFile is fifty times what a range file has.
	maxRangeFile = 4 << 20

	exposedSamples = 64
)

// What is wrong with a list. The errors never say where in the list: that would be digits of the hash of somebody's password.
var (
	errExposedLine  = errors.New("a line is not hexadecimal digits of a SHA-1 hash, a colon and a number")
	errExposedOrder = errors.New("it is not in the order of the hashes: use the list ordered by hash")
	errExposedEmpty = errors.New("it holds no list: want files named after five hexadecimal digits, or one file ordered by hash, as Have I Been Pwned publishes them")
)

// OpenExposed opens a list and looks at some of it: a folder without a range file, a file that is another list (ordered by
// number, or of NTLM hashes) and one that may not be read are refused here and not at somebody's login. Close it after use.
func OpenExposed(path string) (*Exposed, error) {
	e, err := openExposed(path)
	if err != nil {
		return nil, fmt.Errorf("open the list of exposed passwords %s: %w", path, withoutPath(err))
	}
	return e, nil
}

func openExposed(path string) (*Exposed, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	e := &Exposed{path: path}
	if info.IsDir() {
		return e, e.checkFolder()
	}
	if !info.Mode().IsRegular() {
		return nil, errExposedEmpty
	}
	if e.file, err = os.Open(path); err != nil {
		return nil, err
	}
	e.size = info.Size()
	if err := e.checkFile(); err != nil {
		_ = e.file.Close()
		return nil, err
	}
	return e, nil
}

// Close closes the list; a check that is going on fails.
func (e *Exposed) Close() error {
	if e == nil || e.file == nil {
		return nil
	}
	return e.file.Close()
}

// Contains reports whether the password, in its NFC form, is on the list. What [Hasher.Hash] refuses is on no list. A range
// file that is not there means that none of its hashes is known, because operators may load a part.
//
// The error, of reading the list, says nothing about the password. A login or a new password must not fail for it: log it.
func (e *Exposed) Contains(password string) (bool, error) {
	form, problem := passwordForm(password)
	if e == nil || problem != "" {
		return false, nil
	}
	sum := sha1.Sum([]byte(form))
	digits := strings.ToUpper(hex.EncodeToString(sum[:]))
	find := e.inFolder
	if e.file != nil {
		find = e.inFile
	}
	found, err := find(digits)
	if err != nil {
		return false, fmt.Errorf("read the list of exposed passwords %s: %w", e.path, withoutPath(err))
	}
	return found, nil
}

// withoutPath takes the name of the file from an error of the system: the name of a range file is part of a password's hash.
func withoutPath(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}

func (e *Exposed) inFolder(digits string) (bool, error) {
	prefix, suffix := digits[:prefixDigits], digits[prefixDigits:]
	for _, name := range []string{prefix + ".txt", prefix, strings.ToLower(prefix) + ".txt", strings.ToLower(prefix)} {
		text, err := readRange(filepath.Join(e.path, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		return findExposed(text, suffix)
	}
	return false, nil
}

func readRange(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRangeFile+1))
	if err == nil && len(text) > maxRangeFile {
		err = fmt.Errorf("a range file has more than %d bytes", maxRangeFile)
	}
	return text, err
}

// findExposed looks through whole lines for one that begins with the digits, in upper case.
func findExposed(text []byte, digits string) (bool, error) {
	for line := range bytes.Lines(text) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		hash, seen, err := parseExposed(line, len(digits))
		if err != nil {
			return false, err
		}
		if hash == digits {
			return seen, nil
		}
	}
	return false, nil
}

// parseExposed reads a line of so many digits: the digits in upper case, and whether the number behind them is above 0.
func parseExposed(line []byte, digits int) (hash string, seen bool, err error) {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if len(line) < digits+2 || len(line) > maxExposedLine || line[digits] != ':' {
		return "", false, errExposedLine
	}
	hash = strings.ToUpper(string(line[:digits]))
	number := string(line[digits+1:])
	if strings.Trim(hash, "0123456789ABCDEF") != "" || strings.Trim(number, "0123456789") != "" {
		return "", false, errExposedLine
	}
	return hash, strings.Trim(number, "0") != "", nil
}

// inFile halves what may hold the hash until it is one block, and reads that. first is always the beginning of a line, and so
// is end, if it is not the end of the file.
func (e *Exposed) inFile(digits string) (bool, error) {
	first, end := int64(0), e.size
	for end-first > exposedBlock {
		at, hash, err := e.lineAfter(first + (end-first)/2)
		if err != nil {
			return false, err
		}
		if hash <= digits {
			first = at
		} else {
			end = at
		}
	}
	text := make([]byte, end-first)
	if _, err := e.file.ReadAt(text, first); err != nil {
		return false, err // the file is shorter than it was
	}
	return findExposed(text, digits)
}

// lineAfter returns where the first line that begins behind the place begins, and its hash.
func (e *Exposed) lineAfter(place int64) (at int64, hash string, err error) {
	text := make([]byte, 2*(maxExposedLine+1))
	n, err := e.file.ReadAt(text, place)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, "", err
	}
	begin := bytes.IndexByte(text[:n], '\n') + 1
	if begin == 0 || begin > maxExposedLine {
		return 0, "", errExposedLine
	}
	line, _, ended := bytes.Cut(text[begin:n], []byte("\n"))
	if !ended && place+int64(n) < e.size {
		return 0, "", errExposedLine
	}
	hash, _, err = parseExposed(line, sha1Digits)
	return place + int64(begin), hash, err
}

// checkFolder looks into the first range file there is.
func (e *Exposed) checkFolder() error {
	folder, err := os.Open(e.path)
	if err != nil {
		return err
	}
	defer folder.Close()
	for { // a folder may hold a million names
		names, err := folder.Readdirnames(1000)
		for _, name := range names {
			if isRange(name) {
				return e.checkRange(name)
			}
		}
		if errors.Is(err, io.EOF) {
			return errExposedEmpty
		}
		if err != nil {
			return err
		}
	}
}

func (e *Exposed) checkRange(name string) error {
	text, err := readRange(filepath.Join(e.path, name))
	if err != nil {
		return err
	}
	_, err = findExposed(text, strings.Repeat("-", sha1Digits-prefixDigits))
	return err
}

func isRange(name string) bool {
	name = strings.TrimSuffix(name, ".txt")
	return len(name) == prefixDigits && strings.Trim(name, "0123456789abcdefABCDEF") == ""
}

// checkFile reads the first line and some that are spread over the file: each must be after the one before.
func (e *Exposed) checkFile() error {
	text := make([]byte, min(e.size, maxExposedLine))
	if _, err := e.file.ReadAt(text, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(text) == 0 {
		return errExposedEmpty
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	last, _, err := parseExposed(line, sha1Digits)
	if err != nil {
		return err
	}
	lastAt := int64(0)
	for i := range int64(exposedSamples) {
		place := e.size / exposedSamples * i
		if place < lastAt || e.size-place <= 2*maxExposedLine {
			continue
		}
		at, hash, err := e.lineAfter(place)
		if err != nil {
			return err
		}
		if at > lastAt && hash <= last {
			return errExposedOrder
		}
		last, lastAt = hash, at
	}
	return nil
}
