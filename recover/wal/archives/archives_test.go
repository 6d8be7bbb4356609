package archives

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"github.com/pgrescue/pgrescue/recover/packed"
)

const (
	segment  = "000000010000000A000000FF"
	checksum = "0123456789abcdef0123456789abcdef01234567"
)

// pages are the first pages of a real segment.
func pages(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("../testdata/pages.wal")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// deflated compresses with each of the libraries, by suffix.
func deflated(t testing.TB, data []byte) map[string][]byte {
	t.Helper()
	all := map[string][]byte{"": data}
	for suffix, open := range map[string]func(w io.Writer) (io.WriteCloser, error){
		".gz":   func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
		".zst":  func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
		".lz4":  func(w io.Writer) (io.WriteCloser, error) { return lz4.NewWriter(w), nil },
		".br":   func(w io.Writer) (io.WriteCloser, error) { return brotli.NewWriter(w), nil },
		".xz":   func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) },
		".lzma": func(w io.Writer) (io.WriteCloser, error) { return lzma.NewWriter(w) },
	} {
		var out bytes.Buffer
		w, err := open(&out)
		if err == nil {
			_, err = w.Write(data)
		}
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		all[suffix] = out.Bytes()
	}
	return all
}

func TestParseName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		segment:                                   segment,
		segment + ".partial":                      segment + ".partial",
		segment + ".gz.partial":                   segment + ".partial .gz",
		segment + ".lz4":                          segment + " .lz4",
		segment + ".zst.gpg":                      segment + " .zst .gpg",
		segment + "-" + checksum:                  segment + " " + checksum,
		segment + "-" + checksum + ".zst":         segment + " " + checksum + " .zst",
		segment + ".partial-" + checksum + ".bz2": segment + ".partial " + checksum + " .bz2",
		"00000003.history":                        "00000003.history",
		"00000003.history.gz":                     "00000003.history .gz",
		segment + ".00000028.backup":              "",
		segment + ".00000028.backup.gz":           "",
		segment + ".done":                         "",
		strings.ToLower(segment):                  "",
		segment + "-" + strings.ToUpper(checksum): "",
		segment + "-" + checksum[1:]:              "",
		"xlog.db":                                 "",
		"archive.info":                            "",
		"00000003.history.partial":                "",
		".gz":                                     "",
		"":                                        "",
	} {
		n, ok := ParseName(text)
		got := ""
		if ok {
			got = strings.Join(strings.Fields(strings.Join(append([]string{n.Base, n.Checksum}, n.Wraps...), " ")), " ")
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Archives that are encrypted are refused, with the command of the tool that has the key.
func TestEncryptedIsRefused(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	t.Cleanup(func() { _ = exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run() })
	gpg := func(args ...string) []byte {
		args = append([]string{"--homedir", home, "--batch", "--quiet", "--passphrase", "secret", "--pinentry-mode", "loopback"}, args...)
		command := exec.Command("gpg", append(args, "--symmetric", "--output", "-")...)
		command.Stdin = bytes.NewReader(pages(t))
		out, err := command.Output()
		if err != nil {
			t.Fatalf("gpg: %v (it stands in Debian's gnupg; `bash .ci/install archivers` installs it)", err)
		}
		return out
	}
	message := gpg()
	for _, c := range []struct {
		name, path string
		content    []byte
		how, hint  string
	}{
		{"gpg", segment + ".gpg", message, "OpenPGP", "gpg --output DIR/" + segment + " --decrypt"},
		{"gpg, armored", segment, gpg("--armor"), "OpenPGP", "gpg --output"},
		{"to a key", segment, []byte{0x85, 0x01, 0x0C, 3, 1, 2, 3, 4, 5, 6, 7, 8}, "OpenPGP", "gpg --output"},
		{"WAL-G", "wal_005/" + segment + ".lz4", message, "OpenPGP", "wal-g wal-fetch " + segment + " DIR/" + segment},
		{"WAL-G with libsodium", "wal_005/" + segment + ".lz4", []byte("\x91\x02 random bytes"), "libsodium", "wal-g wal-fetch " + segment},
		{"Barman", "main/wals/000000010000000A/" + segment, message, "OpenPGP", "barman get-wal --output-directory DIR main " + segment},
		{"pgBackRest", "archive/shop/17-1/000000010000000A/" + segment + "-" + checksum + ".zst", []byte("Salted__12345678"), "pgBackRest", "pgbackrest --stanza=shop archive-get " + segment},
		{"a pgBackRest file alone", segment + "-" + checksum, []byte("Salted__12345678"), "pgBackRest", "pgbackrest --stanza=STANZA archive-get"},
		{"age", segment + ".age", []byte("age-encryption.org/v1\n-> X25519"), "age", "age --decrypt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), c.path)
			write(t, path, c.content)
			s := Store{}
			if known, err := s.AddFile(path); !known || err != nil || len(s.Files) != 1 {
				t.Fatalf("known %t, %v", known, err)
			}
			_, err := s.Files[0].Open(1 << 20)
			var refused *Encrypted
			if !errors.Is(err, ErrEncrypted) || !errors.As(err, &refused) || !strings.Contains(refused.How, c.how) || !strings.Contains(refused.Hint, c.hint) {
				t.Errorf("error %v, %+v", err, refused)
			}
		})
	}
	tarFile := filepath.Join(t.TempDir(), "base.tar.gz.gpg")
	write(t, tarFile, message)
	if _, err := (&Store{}).AddFile(tarFile); !errors.Is(err, ErrEncrypted) {
		t.Errorf("an encrypted tar file: %v", err)
	}
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Content comes out of each compression in any order of reading, in memory and
// through a spool, and never more of it than the limit.
func TestInflate(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat(pages(t), 7)
	for suffix, stored := range deflated(t, data) {
		path := filepath.Join(t.TempDir(), segment+suffix)
		write(t, path, stored)
		s := Store{}
		if _, err := s.AddFile(path); err != nil {
			t.Fatal(err)
		}
		for _, limit := range []int64{int64(len(data)), int64(len(data)) / 2, inMemory + 1} {
			r, err := s.Files[0].Open(limit)
			if err != nil {
				t.Fatalf("%s: %v", suffix, err)
			}
			want := data[:min(int64(len(data)), limit)]
			for _, off := range []int{len(want) - 100, 5, 300_000, 0, len(want)/2 + 1} {
				buf := make([]byte, 100)
				if n, err := r.ReadAt(buf, int64(off)); n != 100 || err != nil || !bytes.Equal(buf, want[off:off+100]) {
					t.Errorf("%s, limit %d: %d bytes at %d, %v", suffix, limit, n, off, err)
				}
			}
			buf := make([]byte, 100)
			if n, err := r.ReadAt(buf, int64(len(want)-50)); suffix != "" && (n != 50 || !errors.Is(err, io.EOF)) {
				t.Errorf("%s, limit %d: %d bytes over the end, %v", suffix, limit, n, err)
			}
			if err := r.Verify(); suffix != "" && (err != nil) != (limit < int64(len(data))) {
				t.Errorf("%s, limit %d: verified: %v", suffix, limit, err)
			}
			if n, err := r.Length(); suffix != "" && (n != int64(len(want)) || err != nil) {
				t.Errorf("%s, limit %d: length %d, %v", suffix, limit, n, err)
			}
			if err := r.Close(); err != nil {
				t.Errorf("%s: close: %v", suffix, err)
			}
		}
	}
}

// A stream that asks for a dictionary of gigabytes is refused before it gets one.
func TestBigDictionaryIsRefused(t *testing.T) {
	t.Parallel()
	stored := deflated(t, pages(t))[".xz"]
	if got := packed.XZDictionary(stored); got != 8<<20 {
		t.Fatalf("the library's own dictionary has %d bytes", got)
	}
	lie := bytes.Clone(stored)
	at := bytes.Index(lie[12:], []byte{0x21, 1})
	lie[12+at+2] = 40
	for name, content := range map[string][]byte{".xz": lie, ".lzma": append([]byte{0x5D, 0, 0, 0, 0x7F}, stored...)} {
		path := filepath.Join(t.TempDir(), segment+name)
		write(t, path, content)
		s := Store{}
		if _, err := s.AddFile(path); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Files[0].Open(1 << 20); err == nil || !strings.Contains(err.Error(), "dictionary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// tarOf is a tar file of log files and others.
func tarOf(t testing.TB, names ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i, name := range names {
		content := pages(t)[:8192*(i+1)]
		err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))})
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestTarIsInterrupted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pg_wal.tar.gz")
	write(t, path, deflated(t, tarOf(t, "pg_wal/"+segment))[".gz"])
	enough := errors.New("enough")
	s := Store{Interrupted: func() error { return enough }}
	if _, err := s.AddFile(path); !errors.Is(err, enough) {
		t.Errorf("error %v", err)
	}
}

func FuzzParseName(f *testing.F) {
	for _, name := range []string{segment, segment + "-" + checksum + ".gz", segment + ".gz.partial", "00000002.history.lz4", segment + ".partial-" + checksum} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := ParseName(text)
		if !ok {
			return
		}
		if again, ok := ParseName(n.Base); !ok || again.Base != n.Base || !strings.HasPrefix(text, strings.TrimSuffix(n.Base, PartialSuffix)) {
			t.Fatalf("%q is named %q", text, n.Base)
		}
		_ = layoutOf("/archive/x/15-1/0000000100000000/"+filepath.Base(text), n)
	})
}

// FuzzOpen opens a stored segment under each suffix: no content may panic, and no
// more than the limit may come out.
func FuzzOpen(f *testing.F) {
	data := pages(f)[:3*8192]
	for suffix, stored := range deflated(f, data) {
		f.Add(stored, suffix)
	}
	f.Add([]byte("Salted__"), ".gz")
	f.Add([]byte{0x8C, 0x0D, 4, 9, 3, 2}, "")
	path := filepath.Join(f.TempDir(), "stored")
	f.Fuzz(func(t *testing.T, stored []byte, suffix string) {
		write(t, path, stored)
		file := &File{Name: Name{Base: segment, Wraps: []string{suffix}}, Path: path, at: extent{path: path, size: int64(len(stored))}}
		const limit = 1 << 16
		r, err := file.Open(limit)
		if err != nil {
			return
		}
		defer r.Close() //nolint:errcheck // opened for reading only
		buf := make([]byte, limit+1)
		if n, err := r.ReadAt(buf, 0); r.Compression() != "" && n > limit || n == len(buf) && r.Compression() != "" || n < len(buf) && err == nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
		_ = r.Verify()
		if n, _ := r.Length(); r.Compression() != "" && n > limit {
			t.Fatalf("length %d", n)
		}
	})
}

// FuzzTar indexes a tar file, plain or compressed: what is found lies within it.
func FuzzTar(f *testing.F) {
	whole := tarOf(f, "pg_wal/"+segment, "backup_label", "pg_wal/00000002.history", "pg_wal/"+segment+".gz")
	f.Add(whole)
	f.Add(deflated(f, whole)[".gz"])
	f.Add(deflated(f, whole)[".zst"])
	path := filepath.Join(f.TempDir(), "pg_wal.tar")
	f.Fuzz(func(t *testing.T, content []byte) {
		write(t, path, content)
		s := &Store{}
		defer s.Close() //nolint:errcheck // temporary files
		if err := s.addTar(path); err != nil {
			return
		}
		for _, file := range s.Files {
			if file.at.spool == nil && file.at.off+file.at.size > int64(len(content)) {
				t.Fatalf("%+v lies behind the end of the file", file.at)
			}
			_, _ = file.Content(8192) // an error is as good as content
		}
	})
}

func ExampleParseName() {
	n, ok := ParseName("000000010000000000000007-89e6c98d92887913cadf06b2adb97f26cde4849b.lz4")
	fmt.Println(n.Base, n.Checksum[:8], n.Wraps, ok)
	// Output: 000000010000000000000007 89e6c98d [.lz4] true
}
