package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// TestFullDisk: the error names the file that was to be written and says what to do.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	output := newOutput("rescued/public.orders.copy", false, full)
	_, err = output.WriteString("row")
	err = errors.Join(err, output.Flush())
	if !errors.Is(err, syscall.ENOSPC) || err.Error() != "rescued/public.orders.copy: no space left on device" {
		t.Errorf("the error is %v", err)
	}
	if hint := exitcode.HintOf(err); !strings.Contains(hint, "make room") {
		t.Errorf("the hint is %q", hint)
	}
}

// TestFailedRescueLeavesNoFolder: a folder goes again when nothing came into it,
// unless it was there before.
func TestFailedRescueLeavesNoFolder(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "rescued")
		if before {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		folder, err := newRescueFolder(dir, evidence.FormatCopy, false)
		if err != nil {
			t.Fatal(err)
		}
		output, err := createOutput(filepath.Join(dir, "public.orders.copy"), false)
		if err != nil {
			t.Fatal(err)
		}
		folder.files = append(folder.files, &rescueFile{output: output})
		folder.discard()
		_, err = os.Stat(dir)
		if there := err == nil; there != before {
			t.Errorf("there before: %t; there afterwards: %t (%v)", before, there, err)
		}
	}
}

// TestNothingIsWrittenIntoEvidence: a folder or file that lies in the evidence is
// refused, also behind a link and with --force, and one beside it is not.
func TestNothingIsWrittenIntoEvidence(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	for _, dir := range []string{"data/base", "archive", "monday", "space"} {
		if err := os.MkdirAll(at(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(at("data/base"), at("link")); err != nil {
		t.Fatal(err)
	}
	for _, output := range []string{"data", "data/rescued", "link/new/rescued", "archive/rescued", "monday/rescued", "space/rescued", "beside", "data-rescued"} {
		code, _, stderr := execute(t.Context(), "undelete", "--pgdata", at("data"), "--wal", at("archive"), "--also", at("monday"),
			"--tablespace", "16400="+at("space"), "--xid", "742", "--force", "-o", at(output))
		inside := output != "beside" && output != "data-rescued"
		if refused := code == exitcode.Refused && strings.Contains(stderr, "lies in the evidence"); refused != inside {
			t.Errorf("undelete -o %s: exit code %d\n%s", output, code, stderr)
		}
	}
	code, _, stderr := execute(t.Context(), "catalog", "dump", "--pgdata", at("data"), "-o", at("data/catalog.json"))
	if code != exitcode.Refused || !strings.Contains(stderr, "lies in the evidence") {
		t.Errorf("catalog dump: exit code %d\n%s", code, stderr)
	}
}
