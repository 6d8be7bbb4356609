package term

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestAskUntil(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	terminal := &Terminal{Err: &errs, in: strings.NewReader("shop\r\n\nno end")}
	for _, want := range []string{"shop", "", "no end"} {
		secret := want == "" // what is no screen hides nothing
		if answer, err := terminal.AskUntil(t.Context(), "name it", secret); err != nil || answer != want {
			t.Errorf("answer %q, %v, want %q", answer, err, want)
		}
	}
	if _, err := terminal.AskUntil(t.Context(), "name it", false); !errors.Is(err, io.EOF) {
		t.Errorf("behind the last answer: %v", err)
	}
	if got, want := errs.String(), strings.Repeat("name it: ", 4); got != want {
		t.Errorf("stderr is %q", got)
	}
	if _, err := new(Terminal).AskUntil(t.Context(), "name it", false); !errors.Is(err, io.EOF) || new(Terminal).Attended() {
		t.Errorf("without a terminal: %v", err)
	}
}

// TestAskUntilInterrupted: nobody answers, and the context ends.
func TestAskUntilInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	answers, person := io.Pipe()
	defer person.Close()
	terminal := &Terminal{Err: writerFunc(func(text []byte) (int, error) {
		cancel() // with the question on the screen
		return len(text), nil
	}), in: answers}
	if _, err := terminal.AskUntil(ctx, "name it", false); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(text []byte) (int, error) { return f(text) }
