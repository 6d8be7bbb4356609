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
	unit        string // what is counted; "" is bytes
	total       int64  // 0 or less: not known
	done        int64
	now         func() time.Time
	began       time.Time
	last        time.Time // of the last line without a terminal
	bar         *progressbar.ProgressBar
}

// Progress begins to show a piece of work of total bytes. End must be called.
func (t *Terminal) Progress(total int64, description string) *Progress {
	return t.progress(total, description, time.Now)
}

// ProgressOf is Progress of things that are no bytes, such as rows.
func (t *Terminal) ProgressOf(total int64, unit, description string) *Progress {
	p := t.progress(total, description, time.Now)
	p.unit = unit
	return p
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

// Begin says what is done from now on, and how much of it, when that was not known
// before; what is done already counts.
func (p *Progress) Begin(total int64, description string) {
	if p == nil {
		return
	}
	p.term.mu.Lock()
	defer p.term.mu.Unlock()
	if p.total == total && p.description == description {
		return
	}
	p.total, p.description = total, description
	if p.bar != nil {
		p.bar.ChangeMax64(max(total, -1))
		p.bar.Describe(description)
	}
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
			p.bar = newBar(p.term.Err, p, p.term.color)
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
		of = fmt.Sprintf(" of %s (%d%%)", p.count(p.total), min(100, p.done*100/p.total))
	}
	_, _ = fmt.Fprintf(p.term.Err, "%s: %s%s%s\n", p.description, p.count(p.done), of, p.speed(now.Sub(p.began)))
}

// count prints a number of what is counted.
func (p *Progress) count(n int64) string {
	if p.unit == "" {
		return Bytes(n)
	}
	return Count(n) + " " + p.unit
}

// speed says how fast it goes, and how long it takes yet.
func (p *Progress) speed(taken time.Duration) string {
	rate := float64(p.done) / taken.Seconds()
	if rate <= 0 {
		return ""
	}
	text := ", " + p.count(int64(rate)) + "/s"
	if left := p.total - p.done; left > 0 {
		text += fmt.Sprintf(", %s left", time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
	}
	return text
}

// newBar makes the bar. The writer is always given: the library's own default is stdout.
func newBar(w io.Writer, p *Progress, color bool) *progressbar.ProgressBar {
	total := p.total
	if total <= 0 {
		total = -1
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(p.description),
		progressbar.OptionThrottle(100 * time.Millisecond),
		progressbar.OptionEnableColorCodes(color),
		progressbar.OptionFullWidth(),
		progressbar.OptionClearOnFinish(),
	}
	if p.unit == "" {
		options = append(options, progressbar.OptionShowBytes(true), progressbar.OptionShowTotalBytes(true))
	} else {
		options = append(options, progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(p.unit))
	}
	return progressbar.NewOptions64(total, options...)
}
