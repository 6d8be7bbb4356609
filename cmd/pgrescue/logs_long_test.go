//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// repeated gives one byte again and again.
type repeated byte

func (r repeated) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte{byte(r)}, len(p)))
	return len(p), nil
}

// A peak is read of a process in the place where it stands among what the process reads: the system's own figure at the
// end begins with the memory of this process, which the child shares until it executes its program.
type peak struct {
	command *exec.Cmd
	kB      int
	err     error
}

func (p *peak) Read([]byte) (int, error) {
	var status []byte
	if status, p.err = os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid)); p.err == nil {
		_, after, _ := strings.Cut(string(status), "VmHWM:")
		_, p.err = fmt.Sscan(after, &p.kB)
	}
	return 0, io.EOF
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
	used := &peak{command: command}
	command.Stdin = io.MultiReader(strings.NewReader(head), io.LimitReader(repeated('x'), size), used, strings.NewReader("\n"+head+"the next one\n"))
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	if err := command.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	if !strings.Contains(out.String(), "the next one") || !strings.Contains(out.String(), `"messages": 2,`) {
		t.Errorf("%.2000s\n%s", out.String(), errs.String())
	}
	if used.err != nil || used.kB > most {
		t.Errorf("it took %d kB (%v)", used.kB, used.err)
	}
}
