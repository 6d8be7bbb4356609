package runbook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// defaultGrace is how long an interrupted process has to end.
const defaultGrace = 3 * time.Second

// process is a program in a session of its own: it has no terminal to ask at, its
// input is empty, and it is stopped with all that it started.
type process struct {
	argv           []string
	env            []string
	dir            string
	stdout, stderr io.Writer
	grace          time.Duration
	begun          func(pid int) error // told of the process group; may be nil
}

// run runs it until it ends or ctx does. Then the whole group is interrupted, which
// lets psql cancel its statement, and killed after the grace.
func (p *process) run(ctx context.Context) (code int, note string, err error) {
	command := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	command.Env, command.Dir, command.Stdout, command.Stderr = p.env, p.dir, p.stdout, p.stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if command.WaitDelay = p.grace; p.grace == 0 {
		command.WaitDelay = defaultGrace
	}
	signal := func(s syscall.Signal) error { return syscall.Kill(-command.Process.Pid, s) }
	command.Cancel = func() error { return signal(syscall.SIGINT) }
	if err := command.Start(); err != nil {
		return 0, "", stopped(ctx, err)
	}
	if p.begun != nil {
		err = p.begun(command.Process.Pid)
	}
	if waiting := command.Wait(); err == nil {
		err = waiting
	}
	if ctx.Err() != nil {
		// What is left of the group has had its time. It is gone, or it goes now.
		_ = signal(syscall.SIGKILL)
		return command.ProcessState.ExitCode(), "", ctx.Err()
	}
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrWaitDelay):
		return 0, "something that it started goes on in the background, and its output is not kept", nil
	case errors.As(err, &exit):
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal()), fmt.Sprintf("it was ended by signal %d (%s)", int(status.Signal()), status.Signal()), nil
		}
		return exit.ExitCode(), "", nil
	}
	return 0, "", err
}

// groupAlive reports whether a process of the group runs. One that has ended counts
// for the system until somebody asks about it; here it does not.
func groupAlive(group int) bool {
	if syscall.Kill(-group, 0) != nil {
		return false
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return true // a system without /proc
	}
	for _, stat := range stats {
		text := head(stat, 4096)
		// The name of the program stands in parentheses, and may hold anything.
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		if len(fields) > 2 && fields[2] == strconv.Itoa(group) && fields[0] != "Z" && fields[0] != "X" {
			return true
		}
	}
	return false
}

// Psql runs SQL blocks through psql.
type Psql struct {
	Program string // its path; "": psql
	Grace   time.Duration
}

// RunSQL runs a script so that the first error ends it, and nothing asks for a
// password or reads somebody's .psqlrc.
func (p Psql) RunSQL(ctx context.Context, s Script) (int, error) {
	program := p.Program
	if program == "" {
		program = "psql"
	}
	argv := []string{program, "-X", "-w", "-v", "ON_ERROR_STOP=1", "-P", "pager=off"}
	if s.OneTransaction {
		argv = append(argv, "--single-transaction")
	}
	for _, name := range sortedKeys(s.Variables) {
		argv = append(argv, "-v", name+"="+s.Variables[name])
	}
	env := append([]string{"PGAPPNAME=pgrescue/runbook"}, s.Env...)
	if s.ReadOnly {
		env = append(env, "PGOPTIONS="+valueOf(s.Env, "PGOPTIONS")+" -c default_transaction_read_only=on")
	}
	run := process{argv: append(argv, "-f", s.File), env: env, dir: s.Dir, stdout: s.Stdout, stderr: s.Stderr, grace: p.Grace, begun: s.Begun}
	code, _, err := run.run(ctx)
	return code, err
}
