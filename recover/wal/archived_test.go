//go:build unix

package wal_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha1" //nolint:gosec // pgBackRest's checksum
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ulikunitz/xz/lzma"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/archives"
)

// compress runs a compressor as an archive_command does: bytes in, bytes out.
func compress(t testing.TB, data []byte, command ...string) []byte {
	t.Helper()
	if command[0] == "lzma" { // WAL-G uses this library, and Debian has no other tool for its format
		var out bytes.Buffer
		w, err := lzma.NewWriter(&out)
		if err == nil {
			_, err = w.Write(data)
		}
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		t.Fatalf("%v; `bash .ci/install archivers` installs it", err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(path, command[1:]...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(data), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, &stderr)
	}
	return out
}

// compressors are the tools, by the suffix of what they write.
func compressors() map[string][]string {
	return map[string][]string{
		".gz": {"gzip", "-1", "-c"}, ".zst": {"zstd", "-q", "-c"}, ".lz4": {"lz4", "-q", "-c"}, ".xz": {"xz", "-0", "-c"},
		".bz2": {"bzip2", "-c"}, ".br": {"brotli", "-q", "1", "-c"}, ".lzma": {"lzma"},
	}
}

// form is one way to keep an archive: it writes the segments of a fixture and returns what to open.
type form struct {
	name string
	make func(t testing.TB, f *fixture, dir string) []string
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (f *fixture) segment(t testing.TB, i int) []byte {
	t.Helper()
	return read(t, filepath.Join(f.dir, f.names[i]))
}

// placed is a form that writes each segment under a name of its own.
func placed(name, suffix string, path func(segment string, content []byte) string, root string) form {
	return form{name, func(t testing.TB, f *fixture, dir string) []string {
		for i, segment := range f.names {
			content := f.segment(t, i)
			full := filepath.Join(dir, path(segment, content))
			if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
				t.Fatal(err)
			}
			if command := compressors()[suffix]; command != nil {
				content = compress(t, content, command...)
			}
			writeFile(t, full, content)
		}
		return []string{filepath.Join(dir, root)}
	}}
}

func sha1Of(content []byte) string {
	sum := sha1.Sum(content) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// tarred writes a tar file as pg_basebackup does, perhaps compressed.
func tarred(name, file string, command ...string) form {
	return form{name, func(t testing.TB, f *fixture, dir string) []string {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		add := func(name string, content []byte) {
			err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), Format: tar.FormatUSTAR})
			if err == nil {
				_, err = w.Write(content)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		folder := ""
		if strings.HasPrefix(file, "base") {
			add("backup_label", []byte("START WAL LOCATION"))
			add("base/1/1259", make([]byte, 8192))
			folder = "pg_wal/"
		}
		for i, segment := range f.names {
			add(folder+segment, f.segment(t, i))
			add(folder+"archive_status/"+segment+".done", nil)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		content := out.Bytes()
		if len(command) > 0 {
			content = compress(t, content, command...)
		}
		writeFile(t, filepath.Join(dir, file), content)
		return []string{filepath.Join(dir, file)}
	}}
}

func forms() []form {
	list := []form{
		tarred("base.tar", "base.tar"),
		tarred("pg_wal.tar.gz", "pg_wal.tar.gz", "gzip", "-c"),
		tarred("base.tar.zst", "base.tar.zst", "zstd", "-q", "-c"),
		tarred("pg_wal.tar.lz4", "pg_wal.tar.lz4", "lz4", "-q", "-c"),
		{"folder of pg_basebackup", func(t testing.TB, f *fixture, dir string) []string {
			writeFile(t, filepath.Join(dir, "base.tar"), []byte("this is not looked at"))
			tarred("", "pg_wal.tar").make(t, f, dir)
			return []string{dir}
		}},
		placed("pgBackRest, its archive", ".zst", func(s string, content []byte) string {
			return filepath.Join("archive", "demo", "15-1", s[:16], s+"-"+sha1Of(content)+".zst")
		}, "archive/demo/15-1"),
		placed("pg_receivewal", ".gz", func(s string, _ []byte) string { return s + ".gz" }, ""),
	}
	if testing.Short() { // the race detector has seen a file of each kind; what follows differs in the compression alone
		return list
	}
	for suffix := range compressors() {
		if suffix == ".br" || suffix == ".lzma" || suffix == ".lz4" || suffix == ".zst" {
			list = append(list, placed("WAL-G "+suffix, suffix, func(s string, _ []byte) string { return "wal_005/" + s + suffix }, ""))
		}
		if suffix != ".br" && suffix != ".lzma" { // these have no mark, so they need their suffix
			list = append(list, placed("Barman "+suffix, suffix, func(s string, _ []byte) string { return "wals/" + s[:16] + "/" + s }, ""))
		}
	}
	return list
}

// From every form in which archivers keep a log, the same records are read as from the plain directory.
func scanForms(t *testing.T, f *fixture) {
	for _, form := range forms() {
		t.Run(form.name, func(t *testing.T) {
			t.Parallel()
			paths := form.make(t, f, t.TempDir())
			before := hashTree(t, paths[0])
			got := scan(t, paths, wal.OpenOptions{}, wal.ScanOptions{Workers: 2})
			if len(got.gaps) > 0 {
				t.Errorf("gaps %v", got.gaps)
			}
			sameRecords(t, got.records, f.describe)
			// A compressed copy beside the plain one is the same segment twice.
			if strings.HasSuffix(form.name, "gz") {
				twice := scan(t, []string{f.dir, paths[0]}, wal.OpenOptions{}, wal.ScanOptions{Workers: 2})
				if len(twice.gaps) > 0 || len(twice.records) != len(f.describe) {
					t.Errorf("with the plain copy: %d records, gaps %v", len(twice.records), twice.gaps)
				}
			}
			if after := hashTree(t, paths[0]); before != after {
				t.Error("reading changed the archive")
			}
		})
	}
}

// hashTree sums up the names and contents of a file or a folder.
func hashTree(t *testing.T, root string) string {
	t.Helper()
	var all []byte
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			all = append(all, path+sha1Of(read(t, path))...)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sha1Of(all)
}

// pgBackRest's own repositories, with each of its compressions, and an encrypted one.
func scanPGBackRest(t *testing.T, f *fixture) {
	program, err := exec.LookPath("pgbackrest")
	if err != nil {
		t.Fatalf("%v; `bash .ci/install archivers` installs it", err)
	}
	const cipher = "--repo1-cipher-type=aes-256-cbc"
	push := func(t *testing.T, options ...string) string {
		dir := t.TempDir()
		run := func(args ...string) {
			args = append([]string{
				"--stanza=demo", "--pg1-path=" + f.data, "--repo1-path=" + filepath.Join(dir, "repo"), "--lock-path=" + dir,
				"--log-path=" + dir, "--log-level-console=warn", "--log-level-file=off",
			}, args...)
			command := exec.Command(program, args...)
			if slices.Contains(options, cipher) {
				command.Env = append(os.Environ(), "PGBACKREST_REPO1_CIPHER_PASS=secret")
			}
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("pgbackrest %s: %v\n%s", args, err, out)
			}
		}
		create := []string{"--no-online", "stanza-create"}
		if slices.Contains(options, cipher) {
			create = append(create, cipher)
		}
		run(create...)
		for _, name := range f.names {
			run(append(slices.Clone(options), "archive-push", filepath.Join(f.dir, name))...)
		}
		return filepath.Join(dir, "repo")
	}
	methods := []string{"none", "zst", "gz", "lz4", "bz2"}
	if testing.Short() { // the race detector sees the same goroutines in each
		methods = methods[:2]
	}
	for _, method := range methods {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			repository := push(t, "--compress-type="+method)
			parts := []string{""}
			if method == "zst" {
				parts = append(parts, "archive/demo", "archive/demo/15-1/0000000100000000")
			}
			for _, part := range parts {
				got := scan(t, []string{filepath.Join(repository, part)}, wal.OpenOptions{}, wal.ScanOptions{})
				if len(got.gaps) > 0 {
					t.Errorf("%s: gaps %v", part, got.gaps)
				}
				sameRecords(t, got.records, f.describe)
			}
		})
	}
	t.Run("encrypted", func(t *testing.T) {
		t.Parallel()
		repository := push(t, "--compress-type=lz4", cipher)
		_, err := wal.OpenArchive([]string{repository}, wal.OpenOptions{})
		var detail *evidence.Error
		if !errors.Is(err, archives.ErrEncrypted) || !errors.As(err, &detail) ||
			!strings.Contains(detail.Hint, "pgbackrest --stanza=demo archive-get "+f.names[0]) {
			t.Errorf("error %v, hint %+v", err, detail)
		}
	})
}
