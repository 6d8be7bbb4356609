package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	xterm "golang.org/x/term"
)

// Listen takes answers to questions from a file, if somebody sits before it.
func (t *Terminal) Listen(in *os.File) {
	if xterm.IsTerminal(int(in.Fd())) {
		t.in = in
	}
}

// Attended reports whether somebody is there to answer questions.
func (t *Terminal) Attended() bool { return t.in != nil }

// Ask puts a question on stderr and reads one line. asked is false when nobody is
// there to answer; an answer that ends without a line is one too.
func (t *Terminal) Ask(question string) (answer string, asked bool, err error) {
	if t.in == nil {
		return "", false, nil
	}
	if err := t.put(question); err != nil {
		return "", false, err
	}
	answer, err = t.readLine()
	if err != nil && !errors.Is(err, io.EOF) {
		return "", true, err
	}
	return answer, true, nil
}

// AskUntil is Ask until ctx ends. What is typed for a secret is not seen on the screen.
// Where answers have come to their end, the error is io.EOF.
func (t *Terminal) AskUntil(ctx context.Context, question string, secret bool) (string, error) {
	if t.in == nil {
		return "", io.EOF
	}
	if err := t.put(question); err != nil {
		return "", err
	}
	read := t.readLine
	if file, ok := t.in.(*os.File); ok && secret {
		screen := int(file.Fd())
		if state, err := xterm.GetState(screen); err == nil {
			// Also when nobody types it: the shell behind us wants to show what is typed.
			defer func() { _ = xterm.Restore(screen, state) }()
		}
		read = func() (string, error) {
			text, err := xterm.ReadPassword(screen)
			t.Infof("")
			return string(text), err
		}
	}
	type line struct {
		text string
		err  error
	}
	lines := make(chan line, 1)
	// A read of a terminal cannot be called off; it ends with the process.
	go func() {
		text, err := read()
		lines <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		t.Infof("")
		return "", ctx.Err()
	case got := <-lines:
		return got.text, got.err
	}
}

// put shows a question.
func (t *Terminal) put(question string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wipe()
	if _, err := io.WriteString(t.Err, Printable(question)+": "); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	return nil
}

// readLine reads one line. One that ends without a line break is one too; io.EOF is the
// end of all lines.
func (t *Terminal) readLine() (string, error) {
	// One byte at a time: what follows the line is not ours.
	var line []byte
	for one := make([]byte, 1); ; {
		n, err := t.in.Read(one)
		switch {
		case n > 0 && one[0] != '\n':
			line = append(line, one[0])
			continue
		case n == 0 && err == nil:
			continue
		case n == 0 && errors.Is(err, io.EOF) && len(line) == 0:
			return "", io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return "", fmt.Errorf("read the answer: %w", err)
		}
		return strings.TrimSuffix(string(line), "\r"), nil
	}
}
