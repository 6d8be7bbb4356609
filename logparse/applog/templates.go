package applog

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/logparse"
)

// Template is a group of messages that differ in some words.
type Template struct {
	Text   string // with <*> in the place of these words
	Count  int64
	First  logparse.Place
	Logger string
	Slots  []Slot
	// Carries tells that the messages hold values of rows or ids: see Slot.
	Carries bool

	words []string // "" where they differ
	order int
}

// Slot is a word in which the messages of a template differ.
type Slot struct {
	Kind          Kind
	Before, After string // what stands around it without a space
	Example       string
	Values        int // different ones; maxValues: so many or more
	seen          map[string]bool
}

// wildcard stands for a word that differs.
const wildcard = "<*>"

const (
	maxTemplates = 5000
	maxWords     = 60 // of a message; what comes behind is one
	maxValues    = 50
	maxExample   = 120
	maxConstant  = 1000 // bytes of a word that is part of the text
	// alike is how much of two messages must be the same for them to be one template.
	alike = 0.6
)

// Templates groups messages, each with the most similar one of its logger, of its length and of its first word, as
// Drain does. Memory is bounded: when there are too many templates, Others counts what would be a new one.
type Templates struct {
	Others int64
	groups map[group][]*Template
	all    []*Template
	room   []word
}

type group struct {
	logger string
	words  int
	first  string
}

// word is a part of a message without spaces, or a literal.
type word struct {
	text          []byte
	before, after int  // bytes that stand around a value
	kind          Kind // "": it is part of the text
}

func (w word) value() []byte { return w.text[w.before : len(w.text)-w.after] }

// NewTemplates returns none.
func NewTemplates() *Templates { return &Templates{groups: make(map[group][]*Template)} }

// Add takes the next message.
func (t *Templates) Add(entry *logparse.Entry) {
	words := t.split(entry.Message)
	if len(words) == 0 {
		return
	}
	key := group{logger: entry.Logger, words: len(words)}
	if words[0].kind == "" {
		key.first = string(words[0].text)
	}
	best, most := (*Template)(nil), 0.0
	for _, template := range t.groups[key] {
		if same := template.similar(words); same > most {
			best, most = template, same
		}
	}
	if best == nil || most < alike {
		if len(t.all) >= maxTemplates {
			t.Others++
			return
		}
		best = &Template{First: entry.Place, Logger: entry.Logger, order: len(t.all), words: make([]string, len(words)), Slots: make([]Slot, len(words))}
		for i, w := range words {
			if w.kind == "" {
				best.words[i] = string(w.text)
			}
		}
		t.all = append(t.all, best)
		t.groups[key] = append(t.groups[key], best)
	}
	best.add(words)
}

// similar is the part of the words that are the same.
func (t *Template) similar(words []word) float64 {
	same := 0
	for i, w := range words {
		if t.words[i] == "" && w.kind != "" || t.words[i] != "" && t.words[i] == string(w.text) {
			same++
		}
	}
	return float64(same) / float64(len(words))
}

func (t *Template) add(words []word) {
	t.Count++
	for i, w := range words {
		slot := &t.Slots[i]
		if t.words[i] != "" {
			if t.words[i] == string(w.text) {
				continue
			}
			slot.take(word{text: []byte(t.words[i]), kind: KindText})
			t.words[i] = ""
		}
		slot.take(w)
	}
}

// take notes a value. Those that have other things around them, or are of another kind, are any text.
func (s *Slot) take(w word) {
	if w.kind == "" {
		w.kind = KindText
	}
	before, after := string(w.text[:w.before]), string(w.text[len(w.text)-w.after:])
	switch {
	case s.Kind == "":
		s.Kind, s.Before, s.After = w.kind, before, after
	case s.Before != before || s.After != after:
		s.Kind, s.Before, s.After = KindText, "", ""
	case s.Kind != w.kind:
		s.Kind = KindText
	}
	value := shorten(w.value())
	if s.Example == "" {
		s.Example = value
	}
	if len(s.seen) < maxValues && !s.seen[value] {
		if s.seen == nil {
			s.seen = make(map[string]bool)
		}
		s.seen[value] = true
		s.Values = len(s.seen)
	}
}

func shorten(text []byte) string {
	if len(text) <= maxExample {
		return string(text)
	}
	return strings.ToValidUTF8(string(text[:maxExample]), "") + "…"
}

// split takes the first line of a message apart: into words, and literals that may hold spaces.
func (t *Templates) split(message []byte) []word {
	t.room = t.room[:0]
	text := begin(message)
	for len(text) > 0 && len(t.room) < maxWords {
		if text[0] == ' ' || text[0] == '\t' || text[0] == '\r' {
			text = text[1:]
			continue
		}
		if text[0] == '\n' {
			break
		}
		w, n := nextWord(text)
		t.room = append(t.room, w)
		text = text[n:]
	}
	return t.room
}

// nextWord takes one word off a text.
func nextWord(text []byte) (w word, n int) {
	if text[0] == '{' || text[0] == '[' && len(text) > 1 && (text[1] == '\'' || text[1] == '"' || text[1] == '{') {
		if n := literal(KindRepr, text); n > 0 {
			return word{text: text[:n], kind: KindRepr}, n
		}
	}
	if bytes.HasPrefix(text, []byte("dict_keys([")) {
		if n := literal(KindNames, text); n > 0 {
			return word{text: text[:n], kind: KindNames}, n
		}
	}
	if quote := text[0]; quote == '\'' || quote == '"' {
		if after, n := quotedWord(text, quote); n > 0 {
			return word{text: text[:n], before: 1, after: after, kind: KindText}, n
		}
	}
	if n := extentOfStamp(text); n > 0 {
		return word{text: text[:n], kind: KindStamp}, n
	}
	for n < len(text) && text[n] > ' ' {
		n++
	}
	if n == 0 {
		n = 1 // a control character
	}
	if n > maxConstant {
		return word{text: text[:n], kind: KindText}, n
	}
	return parted(text[:n]), n
}

// quotedWord finds a text in quotes, which may have spaces and quotes in it, and what stands behind it without a space.
func quotedWord(text []byte, quote byte) (after, n int) {
	for i := 1; i < len(text) && i < maxWord && text[i] != '\n'; i++ {
		if text[i] != quote {
			continue
		}
		end := i + 1
		for end < len(text) && strings.IndexByte(",.;:)]>", text[end]) >= 0 {
			end++
		}
		if end == len(text) || text[end] <= ' ' {
			return end - i, end
		}
	}
	return 0, 0
}

func extentOfStamp(text []byte) int {
	if text[0] < '0' || text[0] > '9' {
		return 0
	}
	_, n := logparse.ParseStamp(text)
	return n
}

// parted tells a value from what stands around it: brackets, commas, and a name before = or :.
func parted(text []byte) word {
	const around = "()[]<>,.;:'\"`"
	w := word{text: text}
	if i := bytes.LastIndexByte(text, '='); i >= 0 && i < len(text)-1 {
		w.before = i + 1
	}
	for w.before < len(text) && strings.IndexByte(around, text[w.before]) >= 0 {
		w.before++
	}
	for w.after < len(text)-w.before && strings.IndexByte(around, text[len(text)-1-w.after]) >= 0 {
		w.after++
	}
	if w.kind = kindOf(w.value()); w.kind == "" {
		w.before, w.after = 0, 0
	}
	return w
}

// kindOf tells what a word is; "": a part of the text.
func kindOf(text []byte) Kind {
	if uuidAt(text) == len(text) || bytes.HasPrefix(text, []byte("***")) && extent(KindID, text) == len(text) {
		return KindID
	}
	number := 0
	for _, c := range text {
		if c >= '0' && c <= '9' {
			number++
		}
	}
	switch number {
	case 0:
		return ""
	case len(text):
		return KindInt
	}
	return KindText
}

// List gives the templates, those with the most messages first.
func (t *Templates) List() []*Template {
	list := slices.Clone(t.all)
	slices.SortStableFunc(list, func(a, b *Template) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.order, b.order)) })
	for _, template := range list {
		template.finish()
	}
	return list
}

// finish puts the text together.
func (t *Template) finish() {
	var text strings.Builder
	for i, w := range t.words {
		if i > 0 {
			text.WriteByte(' ')
		}
		if w == "" {
			kind := t.Slots[i].Kind
			w = t.Slots[i].Before + wildcard + t.Slots[i].After
			t.Carries = t.Carries || kind == KindRepr || kind == KindID || kind == KindText && t.Slots[i].Values > 1
		}
		text.WriteString(w)
	}
	t.Text = text.String()
}

// Pattern drafts a pattern of the template, as a pack has it; "": too little of its text is always the same. A person
// gives names to it and to its fields, and says what it proves.
func (t *Template) Pattern() string {
	var match, fields strings.Builder
	begun, n := false, 0
	for i, w := range t.words {
		if !begun && (len(w) < lead || unfit(w)) {
			continue
		}
		if unfit(w) || w == "" && unfit(t.Slots[i].Before+t.Slots[i].After) {
			break // what stands before it is enough
		}
		switch {
		case begun:
			match.WriteByte(' ')
		case i > 0:
			match.WriteString(anywhere)
		}
		begun = true
		if w != "" {
			match.WriteString(w)
			continue
		}
		if n++; n > 1 {
			fields.WriteString(", ")
		}
		fmt.Fprintf(&match, "%s{field_%d}%s", t.Slots[i].Before, n, t.Slots[i].After)
		fmt.Fprintf(&fields, "field_%d: %s", n, t.Slots[i].Kind)
	}
	if !begun {
		return ""
	}
	return fmt.Sprintf("  - name: %s\n    match: %s\n    fields: {%s}\n    proves: %s\n", quoteYAML(t.Text), quoteYAML(match.String()), fields.String(), ProvesStage)
}

// unfit reports whether a text cannot stand in a pattern as it is.
func unfit(text string) bool {
	return strings.Contains(text, "{") || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl)
}

// quoteYAML writes a text between single quotes.
func quoteYAML(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}
