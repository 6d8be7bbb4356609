// Command pgrescue brings rows back after a PostgreSQL data loss, and proves how many.
//
//   - command: a file of four parts: newXCommand, xOptions, addFlags, runX. It
//     reads flags, calls the library and prints; the work is in recover/.
//   - terminal: where results, warnings and progress go (cmd/internal/term).
//   - exit code: cmd/internal/exitcode holds the one table.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
)

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	terminal := term.New(os.Stdout, os.Stderr, os.Getenv)
	terminal.Listen(os.Stdin)
	code := run(ctx, os.Args[1:], terminal)
	stop()
	os.Exit(code)
}
