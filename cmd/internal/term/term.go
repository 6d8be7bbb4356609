package term

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"

	xterm "golang.org/x/term"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Terminal is where a command prints. Its methods may be called from several
// goroutines.
type Terminal struct {
	Out io.Writer // the result
	Err io.Writer // everything else

	in     io.Reader // where answers come from; nil: nobody is there
	json   bool
	lines  bool // JSON values one to a line
	color  bool
	errTTY bool

	mu  sync.Mutex // guards Err and bar
	bar *Progress  // the bar that is on the screen, so that a warning can wipe it first
}

// New makes a Terminal of two files. getenv is os.Getenv, or a test's own.
func New(out, errs *os.File, getenv func(string) string) *Terminal {
	tty := xterm.IsTerminal(int(errs.Fd()))
	dumb := getenv("TERM") == "dumb"
	return &Terminal{
		Out: out, Err: errs,
		errTTY: tty && !dumb,
		color:  tty && !dumb && getenv("NO_COLOR") == "",
	}
}

// UseJSON makes results and the fatal error JSON.
func (t *Terminal) UseJSON(yes bool) { t.json = t.json || yes }

// JSON reports whether the result is to be JSON.
func (t *Terminal) JSON() bool { return t.json }

// NoColor switches colour off.
func (t *Terminal) NoColor() { t.color = false }

// Warnf prints a warning on stderr.
func (t *Terminal) Warnf(format string, args ...any) {
	t.note("warning", yellow, fmt.Sprintf(format, args...))
}

// Hintf prints a hint on stderr.
func (t *Terminal) Hintf(format string, args ...any) {
	t.note("hint", cyan, fmt.Sprintf(format, args...))
}

// Infof prints a line on stderr that is neither a warning nor a hint, such as
// the name of a file that was written.
func (t *Terminal) Infof(format string, args ...any) {
	t.note("", "", fmt.Sprintf(format, args...))
}

// Gaps prints what could not be read, each as a warning, the first most many.
// The rest is counted, so that a badly damaged disk does not scroll the result away.
func (t *Terminal) Gaps(gaps []evidence.Gap, most int) {
	for i, gap := range gaps {
		if i == most {
			t.Warnf("%s more gaps; --json lists all of them", Count(int64(len(gaps)-most)))
			return
		}
		t.Warnf("%s", gap.String())
	}
}

// jsonError is the fatal error with --json.
type jsonError struct {
	Type      string `json:"type"`
	Operation string `json:"operation,omitempty"`
	Place     string `json:"place,omitempty"`
	Message   string `json:"message"`
	Hint      string `json:"hint,omitempty"`
	Name      string `json:"name"`
	ExitCode  int    `json:"exit_code"`
}

// Fatal prints the error that ends the command, and returns the exit code.
func (t *Terminal) Fatal(err error) int {
	code := exitcode.Of(err)
	if code == exitcode.Done {
		return 0
	}
	hint := exitcode.HintOf(err)
	if !t.json && code == exitcode.Partial {
		// The result is there; what is missing is a warning.
		t.note("warning", yellow, err.Error())
		return int(code)
	}
	if !t.json {
		t.note("error", red, err.Error())
		if hint != "" {
			t.Hintf("%s", hint)
		}
		return int(code)
	}
	object := jsonError{Type: "error", Message: err.Error(), Hint: hint, Name: code.String(), ExitCode: int(code)}
	var place *evidence.Error
	if errors.As(err, &place) {
		object.Operation, object.Place = place.Op, place.Place
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wipe()
	// A failure to print the error has nowhere to go; the exit code still tells it.
	_ = json.NewEncoder(t.Err).Encode(object)
	return int(code)
}

// UseLines makes WriteJSON print on one line, for a command whose output is
// several values.
func (t *Terminal) UseLines() { t.lines = true }

// WriteJSON prints one value on stdout, indented.
func (t *Terminal) WriteJSON(value any) error {
	if t.lines {
		return t.WriteLine(value)
	}
	encoder := json.NewEncoder(t.Out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// WriteLine prints one value on stdout as a line of JSON Lines.
func (t *Terminal) WriteLine(value any) error {
	encoder := json.NewEncoder(t.Out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// Printf prints text on stdout.
func (t *Terminal) Printf(format string, args ...any) error {
	if _, err := fmt.Fprintf(t.Out, format, args...); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// The colours that are used, as SGR codes (ECMA-48).
const (
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
	reset  = "\x1b[0m"
)

// note prints one line on stderr, above the bar if there is one.
func (t *Terminal) note(label, color, text string) {
	if label != "" {
		label += ": "
		if t.color {
			label = color + label + reset
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wipe()
	// Nobody can be told that stderr is closed.
	_, _ = io.WriteString(t.Err, label+Printable(text)+"\n")
}

// wipe takes the bar off the screen; it comes back with its next step. The
// caller holds t.mu.
func (t *Terminal) wipe() {
	if t.bar != nil && t.bar.bar != nil {
		_ = t.bar.bar.Clear()
	}
}

// Printable replaces control characters and broken UTF-8, so that text from the
// evidence cannot move the cursor or hide other text. Newlines and tabs become spaces.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
}
