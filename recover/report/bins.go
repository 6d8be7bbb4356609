package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
)

// mostBins is how many columns a drawing over time has at most.
const mostBins = 60

// bins counts over time: what transactions destroyed as the WAL says, at their commit,
// and statements that logs show.
type bins struct {
	span
	Width      time.Duration
	Loss       []int64 // row versions that transactions of the loss destroyed
	Usual      []int64 // those of other committed transactions
	Statements map[string][]int64
}

// stepWidths are the widths that a column may have.
func stepWidths() []time.Duration {
	var list []time.Duration
	for unit := time.Millisecond; unit < time.Second; unit *= 10 {
		list = append(list, unit, 2*unit, 5*unit)
	}
	for _, seconds := range []int{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400} {
		list = append(list, time.Duration(seconds)*time.Second)
	}
	return list
}

func newBins(window, all span) *bins {
	b := &bins{span: window, Statements: make(map[string][]int64)}
	if window.From.IsZero() {
		return b
	}
	for _, width := range stepWidths() {
		b.Width = width
		if b.From = window.From.Truncate(width); b.To.Sub(b.From) < mostBins*width {
			break
		}
	}
	for b.To.Sub(b.From) >= mostBins*b.Width {
		b.Width *= 2
		b.From = window.From.Truncate(b.Width)
	}
	n := int(b.To.Sub(b.From)/b.Width) + 1
	b.To = b.From.Add(time.Duration(n) * b.Width)
	b.Loss, b.Usual = make([]int64, n), make([]int64, n)
	return b
}

// at is the column of a time; -1: it is outside.
func (b *bins) at(t time.Time) int {
	if len(b.Loss) == 0 || t.Before(b.From) || !t.Before(b.To) {
		return -1
	}
	return int(t.Sub(b.From) / b.Width)
}

func (b *bins) add(e *casefile.Event, d *detail, r rank, destroys bool) {
	at := b.at(e.Time)
	switch {
	case at < 0:
	case e.Source == sourceWAL && r != rankLoss && badge(e.Certainty) == "committed":
		b.Usual[at] += d.Deleted
	case e.Source != sourceWAL && destroys:
		word := badge(e.Certainty)
		if b.Statements[word] == nil {
			b.Statements[word] = make([]int64, len(b.Loss))
		}
		b.Statements[word][at]++
	}
}

// percent is where a time lies across a drawing.
func (s *span) percent(t time.Time) float64 {
	whole := s.To.Sub(s.From)
	if whole <= 0 {
		return 50
	}
	return 100 * float64(t.Sub(s.From)) / float64(whole)
}

// per names the width of a column.
func (b *bins) per() string {
	switch {
	case b.Width == time.Second:
		return "second"
	case b.Width == time.Minute:
		return "minute"
	case b.Width == time.Hour:
		return "hour"
	case b.Width < time.Second:
		return fmt.Sprintf("%d ms", b.Width.Milliseconds())
	}
	text := b.Width.String() // such as 1h30m0s
	text = strings.TrimSuffix(text, "0s")
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	if text == "" || text[len(text)-1] >= '0' && text[len(text)-1] <= '9' {
		text += "0s"
	}
	return text
}

// badge is the class of a word of certainty.
func badge(certainty string) string {
	word := strings.ToLower(certainty)
	switch {
	case strings.HasPrefix(word, "committed"):
		return "committed"
	case strings.Contains(word, "roll"), strings.Contains(word, "abort"):
		return "undone"
	case strings.HasPrefix(word, "fail"):
		return "failed"
	case strings.HasPrefix(word, "executed"):
		return "executed"
	case strings.HasPrefix(word, "attempt"):
		return "attempted"
	}
	return "other"
}
