//go:build linux

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// repeated gives one byte again and again.
type repeated byte

func (r repeated) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte{byte(r)}, len(p)))
	return len(p), nil
}

// TestLogLineOf500MB: a line that no memory should hold is cut, told, and what stands behind it is read.
func TestLogLineOf500MB(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const size, most = 500 << 20, 256 << 10 // kB; it takes less than 100 MB
	const head = "2026-11-26 08:03:15,100 - app.x - INFO - "
	command := exec.CommandContext(t.Context(), program, "logs", "patterns", "suggest", "-", "--profile", "none", "--no-case", "--json")
	command.Args[0] = "pgrescue"
	command.Stdin = io.MultiReader(strings.NewReader(head), io.LimitReader(repeated('x'), size), strings.NewReader("\n"+head+"the next one\n"))
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	if err := command.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	if !strings.Contains(out.String(), "the next one") || !strings.Contains(out.String(), `"messages": 2,`) {
		t.Errorf("%.2000s\n%s", out.String(), errs.String())
	}
	used, ok := command.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("the system does not tell how much memory it took")
	}
	if used.Maxrss > most {
		t.Errorf("it took %d kB", used.Maxrss)
	}
}
