package term

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// How long a command may be silent.
const (
	quietFor  = time.Second      // shorter work shows nothing
	lineEvery = 10 * time.Second // without a terminal
)

// Progress shows how far a piece of work is. Its methods may be called from
// several goroutines; a nil Progress takes them and shows nothing.
type Progress struct {
	term        *Terminal
	description string
	total       int64 // bytes; 0 or less: not known
	done        int64 // bytes
	now         func() time.Time
	began       time.Time
	last        time.Time // of the last line without a terminal
	bar         *progressbar.ProgressBar
}

// Progress begins to show a piece of work of total bytes. End must be called.
func (t *Terminal) Progress(total int64, description string) *Progress {
	return t.progress(total, description, time.Now)
}

// progress takes the clock as well, for tests.
func (t *Terminal) progress(total int64, description string, now func() time.Time) *Progress {
	p := &Progress{term: t, description: description, total: total, now: now, began: now()}
	p.last = p.began
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bar = p
	return p
}

// Add says that n more bytes are done.
func (p *Progress) Add(n int64) {
	if p == nil {
		return
	}
	p.term.mu.Lock()
	defer p.term.mu.Unlock()
	p.done += n
	p.show()
}

// Set says that done bytes are done altogether.
func (p *Progress) Set(done int64) {
	if p == nil {
		return
	}
	p.term.mu.Lock()
	defer p.term.mu.Unlock()
	p.done = done
	p.show()
}

// End takes the bar off the screen.
func (p *Progress) End() {
	if p == nil {
		return
	}
	p.term.mu.Lock()
	defer p.term.mu.Unlock()
	p.term.wipe()
	if p.term.bar == p {
		p.term.bar = nil
	}
}

// show draws the bar or prints a line, when it is time. The caller holds the
// terminal's lock.
func (p *Progress) show() {
	now := p.now()
	if now.Sub(p.began) < quietFor {
		return
	}
	if p.term.errTTY {
		if p.bar == nil {
			p.bar = newBar(p.term.Err, p.total, p.description, p.term.color)
		}
		_ = p.bar.Set64(p.done)
		return
	}
	if now.Sub(p.last) < lineEvery {
		return
	}
	p.last = now
	of := ""
	if p.total > 0 {
		of = fmt.Sprintf(" of %s (%d%%)", Bytes(p.total), min(100, p.done*100/p.total))
	}
	_, _ = fmt.Fprintf(p.term.Err, "%s: %s%s\n", p.description, Bytes(p.done), of)
}

// newBar makes the bar. The writer is always given: the library's own default is stdout.
func newBar(w io.Writer, total int64, description string, color bool) *progressbar.ProgressBar {
	if total <= 0 {
		total = -1
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(description),
		progressbar.OptionShowBytes(true),
		progressbar.OptionShowTotalBytes(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionEnableColorCodes(color),
		progressbar.OptionFullWidth(),
		progressbar.OptionClearOnFinish(),
	)
}
