package runbook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Tools is how blocks are run. Its zero value has a shell and nothing else.
type Tools struct {
	Shell string // the path of sh; "": sh
	// Pgrescue runs a command of pgrescue in this process. Blocks that are nothing but
	// such commands go through it. nil: they are programs like others.
	Pgrescue func(ctx context.Context, c Command) (exitCode int, err error)
	SQL      SQLRunner // nil: SQL blocks are refused
	Path     []string  // folders that come before PATH: where blocks find pgrescue itself
	// Mask takes secrets out of a text that is saved or shown; nil: it stays.
	Mask func(string) string
	// Keep is how many bytes of each output are kept; the rest is counted. 0: 64 MiB.
	Keep int64
	// Grace is how long a block that is interrupted has to end. 0: 3 s.
	Grace time.Duration
}

// Command is a command of pgrescue, with what it may see.
type Command struct {
	Argv           []string // without the program's name
	Env            []string
	Dir            string
	Stdout, Stderr io.Writer
}

// SQLRunner runs a script of SQL with psql's variables and commands.
type SQLRunner interface {
	RunSQL(ctx context.Context, s Script) (exitCode int, err error)
}

// Script is an SQL block, with what it may see.
type Script struct {
	File           string // that holds the block
	Variables      map[string]string
	ReadOnly       bool // it may not write
	OneTransaction bool // all of it or nothing
	Env            []string
	Dir            string
	Stdout, Stderr io.Writer
	Begun          func(pid int) error // to be told of the process group that runs it, if there is one
}

// Saved is an output that was saved.
type Saved struct {
	File   string `json:"file,omitempty"` // in the folder of the run
	Bytes  int64  `json:"bytes"`          // that came
	Kept   int64  `json:"kept"`           // that are in the file, which has no secrets
	Cut    bool   `json:"cut,omitempty"`  // there was more than is kept
	SHA256 string `json:"sha256,omitempty"`
}

// Outcome is how a block ended.
type Outcome struct {
	Code     int               `json:"code"`
	Duration time.Duration     `json:"-"`
	Stdout   Saved             `json:"stdout"`
	Stderr   Saved             `json:"stderr"`
	Outputs  map[string]string `json:"outputs,omitempty"`
	Note     string            `json:"note,omitempty"`
}

// scene is where a block runs, and what it sees.
type scene struct {
	tools    *Tools
	dir      string            // the folder that commands run in
	folder   string            // for the block, its outputs and $OUT
	evidence string            // $EVIDENCE
	values   map[string]string // inputs and outputs
	env      []string          // the environment of pgrescue itself
	stdout   io.Writer         // shown to a person while it runs; may be nil
	stderr   io.Writer
}

// run runs a block. An error means that it did not end by itself, or was not run.
func (s *scene) run(ctx context.Context, b *Block) (Outcome, error) {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return Outcome{}, err
	}
	file := filepath.Join(s.folder, "block."+b.Language)
	if err := os.WriteFile(file, []byte(b.Text), 0o600); err != nil {
		return Outcome{}, err
	}
	stdout, err := s.tools.capture(filepath.Join(s.folder, "stdout"), s.stdout)
	if err != nil {
		return Outcome{}, err
	}
	stderr, err := s.tools.capture(filepath.Join(s.folder, "stderr"), s.stderr)
	if err != nil {
		return Outcome{}, errors.Join(err, stdout.close())
	}
	began := time.Now()
	code, note, err := s.start(ctx, b, file, stdout, stderr)
	o := Outcome{Code: code, Duration: time.Since(began), Note: note}
	for _, c := range []*capture{stdout, stderr} {
		if closing := c.close(); closing != nil {
			o.Note = joinNotes(o.Note, "its output could not be saved: "+closing.Error())
		}
	}
	o.Stdout, o.Stderr = stdout.saved, stderr.saved
	if err == nil && code == 0 {
		o.Outputs, err = readOutputs(filepath.Join(s.folder, outName))
	}
	return o, err
}

func joinNotes(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// start chooses who runs the block.
func (s *scene) start(ctx context.Context, b *Block, file string, stdout, stderr io.Writer) (code int, note string, err error) {
	env := s.environment()
	if b.Language == SQL {
		if s.tools.SQL == nil {
			return 0, "", errors.New("nothing here can run SQL")
		}
		_, apart := apartReason(b.Text)
		code, err = s.tools.SQL.RunSQL(ctx, Script{
			File: file, Variables: s.psqlVariables(), ReadOnly: b.Role == Check || b.Role == Verify, OneTransaction: !apart,
			Env: env, Dir: s.dir, Stdout: stdout, Stderr: stderr, Begun: s.begun,
		})
		return code, "", stopped(ctx, err)
	}
	if commands, ok := ownCommands(b.Text, s.lookup); ok && s.tools.Pgrescue != nil {
		for _, argv := range commands {
			code, err = s.tools.Pgrescue(ctx, Command{Argv: argv, Env: env, Dir: s.dir, Stdout: stdout, Stderr: stderr})
			if err = stopped(ctx, err); err != nil || code != 0 {
				break
			}
		}
		return code, "", err
	}
	// The shell itself says who it is, before the block can do anything. Not every sh knows pipefail.
	const frame = `echo $$ > "$1"; shift; (set -o pipefail) 2>/dev/null && set -o pipefail; set -eu; . "$0"`
	shell := s.tools.Shell
	if shell == "" {
		shell = "sh"
	}
	argv := []string{shell, "-c", frame, file, filepath.Join(s.folder, pidName)}
	p := process{argv: argv, env: env, dir: s.dir, stdout: stdout, stderr: stderr, grace: s.tools.Grace}
	return p.run(ctx)
}

// outName is the file that $OUT names.
const outName = "out"

// pidName is the file with the process group of a block, for whoever finds the run
// interrupted.
const pidName = "pid"

func (s *scene) begun(pid int) error {
	return os.WriteFile(filepath.Join(s.folder, pidName), fmt.Appendln(nil, pid), 0o600)
}

// stopped is the error of what was interrupted, whatever it said itself.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// environment is that of pgrescue, with the values of the run.
func (s *scene) environment() []string {
	own := map[string]string{"OUT": filepath.Join(s.folder, outName), "EVIDENCE": s.evidence}
	for name, value := range s.values {
		own[name] = value
	}
	var env []string
	for _, entry := range s.env {
		name, value, _ := strings.Cut(entry, "=")
		if name == "PATH" {
			entry = "PATH=" + strings.Join(append(slices.Clone(s.tools.Path), value), string(filepath.ListSeparator))
		}
		if _, set := own[name]; !set {
			env = append(env, entry)
		}
	}
	for name, value := range own {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

// lookup finds a variable as a block does.
func (s *scene) lookup(name string) (string, bool) {
	for _, entry := range s.environment() {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// psqlVariables are the values, under their names and in lower case.
func (s *scene) psqlVariables() map[string]string {
	variables := make(map[string]string)
	for name, value := range s.values {
		variables[strings.ToLower(name)] = value
	}
	for name, value := range s.values {
		variables[name] = value
	}
	return variables
}

// longestOutputs bounds what is read of $OUT.
const longestOutputs = 1 << 20

// readOutputs reads the lines name=value that a block wrote to $OUT.
func readOutputs(file string) (map[string]string, error) {
	info, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > longestOutputs {
		return nil, fmt.Errorf("$OUT is no file of at most %d bytes", longestOutputs)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	outputs := make(map[string]string)
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if !found || !variableName().MatchString(name) || strings.ContainsRune(value, 0) {
			return nil, fmt.Errorf("line %d of $OUT is not name=value", n)
		}
		if reserved(name) {
			return nil, fmt.Errorf("line %d of $OUT: a block may not set %s", n, name)
		}
		outputs[name] = value
	}
	return outputs, nil
}

// reserved names change how blocks themselves run.
func reserved(name string) bool {
	return strings.HasPrefix(name, "LD_") || slices.Contains([]string{"PATH", "IFS", "ENV", "BASH_ENV", "SHELL", "SHELLOPTS", "HOME", "OUT", "EVIDENCE"}, name)
}

// apartReason says why the statements of an SQL block cannot be one transaction.
func apartReason(script string) (reason string, apart bool) {
	text := script
	if !strings.Contains(text, `\gexec`) {
		text = withoutStrings(text)
	}
	alone := regexp.MustCompile(`(?i)\b(alter\s+system|vacuum|(?:create|drop)\s+(?:database|tablespace)|concurrently|reindex\s+(?:database|system)|create\s+subscription|drop\s+subscription)\b`)
	own := regexp.MustCompile(`(?im)^\s*(begin|start\s+transaction|commit|rollback|\\c(?:onnect)?)\b`)
	if word := alone.FindString(text); word != "" {
		return word + " runs outside of a transaction", true
	}
	if match := own.FindStringSubmatch(text); match != nil {
		return "the block has a " + match[1] + " of its own", true
	}
	return "", false
}
