package archives

import (
	"encoding/hex"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Suffixes of log files that are not whole segments.
const (
	PartialSuffix = ".partial"
	HistorySuffix = ".history"
)

// Name is the name of a log file taken apart.
type Name struct {
	// Base is the name that PostgreSQL gave the file: a segment's, perhaps with .partial, or a history file's.
	Base    string
	History bool
	// Checksum is the SHA-1 of the content in hexadecimal, where the archiver put it into the name.
	Checksum string
	// Wraps are the suffixes behind it, such as ".lz4", the outermost last.
	Wraps []string
}

// wrapSuffixes are the suffixes that archivers add when they compress or encrypt.
func wrapSuffixes() []string {
	return []string{
		".gz", ".zst", ".zstd", ".lz4", ".xz", ".bz2", ".br", ".lzma", ".lzo", ".snappy", ".gpg", ".pgp", ".asc", ".age", ".enc",
	}
}

// ParseName reads the name of a file that an archiver keeps. Others than log
// files, such as backup labels, are not ok.
//
//	000000010000000000000001               pg_wal, Barman
//	000000010000000000000001.lz4           WAL-G
//	000000010000000000000001.gz.partial    pg_receivewal
//	000000010000000000000001-<sha1>.zst    pgBackRest; .partial comes before the dash
func ParseName(base string) (n Name, ok bool) {
	rest, partial := strings.CutSuffix(base, PartialSuffix)
	for {
		ext := filepath.Ext(rest)
		if !slices.Contains(wrapSuffixes(), ext) {
			break
		}
		n.Wraps = append([]string{ext}, n.Wraps...)
		rest = strings.TrimSuffix(rest, ext)
	}
	if dash := len(rest) - 41; dash > 0 && rest[dash] == '-' {
		sum := rest[dash+1:]
		if _, err := hex.DecodeString(sum); err != nil || strings.ToLower(sum) != sum {
			return Name{}, false
		}
		n.Checksum, rest = sum, rest[:dash]
	}
	if inner, cut := strings.CutSuffix(rest, PartialSuffix); cut {
		rest, partial = inner, true
	}
	if timeline, cut := strings.CutSuffix(rest, HistorySuffix); cut {
		n.Base, n.History = rest, true
		return n, !partial && upperHex(timeline, 8)
	}
	n.Base = rest
	if partial {
		n.Base += PartialSuffix
	}
	return n, upperHex(rest, 24)
}

// upperHex reports whether text is so many upper-case hexadecimal digits.
func upperHex(text string, digits int) bool {
	if len(text) != digits {
		return false
	}
	return strings.Trim(text, "0123456789ABCDEF") == ""
}

// versionID is a folder of a pgBackRest repository: the version, and which cluster of the stanza.
var versionID = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+)?-([0-9]{1,9})$`)

// rankOf is the number of the cluster in the name of a folder, or 0.
func rankOf(folder string) int {
	if m := versionID.FindStringSubmatch(folder); m != nil {
		rank, _ := strconv.Atoi(m[1]) // digits by the pattern
		return rank
	}
	return 0
}

// Layout is the archiver that placed a file, as far as its path says.
type Layout struct {
	Tool string // "pgBackRest", "WAL-G", "Barman", or "" for none
	// Owner is the stanza or the server that the files are of, if the path names it.
	Owner string
}

// layoutOf tells the layout of a file by the folders above it and its own name.
func layoutOf(path string, name Name) Layout {
	if full, err := filepath.Abs(path); err == nil {
		path = full
	}
	folders := strings.Split(filepath.ToSlash(filepath.Dir(path)), "/")
	above := func(n int) string {
		if n >= len(folders) {
			return ""
		}
		return folders[len(folders)-1-n]
	}
	deep := 0
	if upperHex(above(0), 16) {
		deep = 1
	}
	switch {
	case versionID.MatchString(above(deep)):
		return Layout{"pgBackRest", above(deep + 1)}
	case above(deep) == "wals":
		return Layout{"Barman", above(deep + 1)}
	case above(0) == "wal_005":
		return Layout{"WAL-G", ""}
	case name.Checksum != "":
		return Layout{Tool: "pgBackRest"}
	}
	return Layout{}
}
