package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/logparse/secrets"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// valueOptions are the flags that give a book its values, and say who runs it.
type valueOptions struct {
	set []string
	who string
}

func (o *valueOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringArrayVar(&o.set, "set", nil, "`NAME=VALUE` of an input, or of PGHOST, PGPORT, PGDATABASE, PGUSER, PGSERVICE; may be repeated (default the environment)")
	flags.StringVar(&o.who, "who", "", "the `name` of the person, for the journal and for approvals (default the user of the system)")
}

// options joins what a book needs to be planned and run. done has to be called in the end.
func (o *valueOptions) options(cases *caseOptions, dir string) (options runbook.Options, done func() error, err error) {
	options = runbook.Options{Dir: dir, Version: readVersion().Version, Who: o.who, Host: hostName()}
	if options.Who == "" {
		options.Who = userName()
	}
	if options.Inputs, err = pairs("set", o.set); err != nil {
		return options, nil, err
	}
	if options.Env, err = blockEnvironment(cases); err != nil {
		return options, nil, err
	}
	own, err := newOwnCommands()
	if err != nil {
		return options, nil, err
	}
	options.Tools = runbook.Tools{Pgrescue: own.run, SQL: runbook.Psql{}, Path: []string{own.folder}, Mask: secrets.Text}
	return options, own.remove, nil
}

// blockEnvironment is the environment of blocks: this one, and the case that the command
// line names.
func blockEnvironment(cases *caseOptions) ([]string, error) {
	environment := os.Environ()
	if !cases.none && cases.dir == "" {
		return environment, nil
	}
	environment = slices.DeleteFunc(environment, func(entry string) bool { return strings.HasPrefix(entry, caseVariable+"=") })
	if cases.none {
		if cases.dir != "" {
			return nil, exitcode.Usagef("", "--case and --no-case exclude each other")
		}
		return environment, nil
	}
	dir, err := filepath.Abs(cases.dir)
	if err != nil {
		return nil, fmt.Errorf("runbook: %w", err)
	}
	return append(environment, caseVariable+"="+dir), nil
}

// ownCommands runs the commands of pgrescue that stand in blocks.
type ownCommands struct {
	folder string // holds a link that is named pgrescue, however this program is
	dir    string // that this process works in
}

const ownName = "pgrescue"

func newOwnCommands() (*ownCommands, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("runbook: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("runbook: find pgrescue itself: %w", err)
	}
	folder, err := os.MkdirTemp("", "pgrescue-runbook-")
	if err != nil {
		return nil, fmt.Errorf("runbook: %w", err)
	}
	own := &ownCommands{folder: folder, dir: dir}
	if err := os.Symlink(program, filepath.Join(folder, ownName)); err != nil {
		return nil, errors.Join(fmt.Errorf("runbook: %w", err), own.remove())
	}
	return own, nil
}

func (o *ownCommands) remove() error {
	if err := os.RemoveAll(o.folder); err != nil {
		return fmt.Errorf("runbook: %w", err)
	}
	return nil
}

// run runs a command in this process, where that sees the same as the block would. Else,
// as when PGDATABASE was given with --set, it is a process of its own: the environment
// and the folder of this one belong to all that it does.
func (o *ownCommands) run(ctx context.Context, c runbook.Command) (int, error) {
	if c.Dir == o.dir && maps.Equal(readByCommands(c.Argv, c.Env), readByCommands(c.Argv, os.Environ())) {
		return run(ctx, c.Argv, &term.Terminal{Out: c.Stdout, Err: c.Stderr}), nil
	}
	command := exec.CommandContext(ctx, filepath.Join(o.folder, ownName), c.Argv...)
	command.Env, command.Dir, command.Stdout, command.Stderr = c.Env, c.Dir, c.Stdout, c.Stderr
	// In a session of its own it has no terminal to ask at.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 3 * time.Second
	err := command.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// readByCommands is the part of an environment that a command of pgrescue may read:
// libpq's variables, its own, those of the system, and any that its flags name.
func readByCommands(argv, environment []string) map[string]string {
	found := make(map[string]string)
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		named := slices.ContainsFunc(argv, func(arg string) bool { return arg == name || strings.HasSuffix(arg, "="+name) })
		system := slices.Contains([]string{"HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}, strings.ToUpper(name))
		if named || system || strings.HasPrefix(name, "PG") {
			found[name] = value
		}
	}
	return found
}

// targetOf asks the server of a run which database it is, and shows its identity card.
func targetOf(terminal *term.Terminal) func(context.Context, map[string]string) (string, error) {
	return func(ctx context.Context, values map[string]string) (string, error) {
		options := targetOptions{dsn: dsnOf(values)}
		card, err := options.showTarget(ctx, "runbook", terminal)
		if err != nil {
			return "", err
		}
		return card.Database, nil
	}
}

// dsnOf is the connection string of the values of a run.
func dsnOf(values map[string]string) string {
	var dsn strings.Builder
	for _, pair := range [][2]string{{"host", "PGHOST"}, {"port", "PGPORT"}, {"dbname", "PGDATABASE"}, {"user", "PGUSER"}, {"service", "PGSERVICE"}} {
		if value := values[pair[1]]; value != "" {
			dsn.WriteString(pair[0] + "='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "' ")
		}
	}
	return strings.TrimSpace(dsn.String())
}
