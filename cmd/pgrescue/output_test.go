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
