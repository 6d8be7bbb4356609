package applog

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse"
)

func TestTemplates(t *testing.T) {
	t.Parallel()
	templates := NewTemplates()
	add := func(logger, message string) {
		templates.Add(&logparse.Entry{Logger: logger, Message: []byte(message)})
	}
	for i := range 60 {
		add("a", fmt.Sprintf("🔄 Saved row %d of table users (id=%08d-1111-4111-8111-111111111111)", i, i))
	}
	for _, name := range []string{"Ann", "Bob", "Cy"} {
		add("a", "user "+name+" signed in from 10.0.0.7")
	}
	add("b", "Payload: {'name': 'Ann', 'age': 7, 'tags': [1, 2]}")
	add("b", "Payload: {'name': 'Bob'}")
	add("b", "ready")
	add("a", "ready")
	var got []string
	for _, template := range templates.List() {
		got = append(got, fmt.Sprintf("%d %s %s %v", template.Count, template.Logger, template.Text, template.Carries))
	}
	want := []string{
		"60 a Saved row <*> of table users (id=<*>) true", "3 a user <*> signed in from <*> true", "2 b Payload: <*> true", "1 b ready false", "1 a ready false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	saved := templates.List()[0]
	if slots := saved.Slots; slots[2].Kind != KindInt || slots[2].Values != maxValues || slots[6].Kind != KindID || slots[6].Before != "(id=" || slots[6].Example != "00000000-1111-4111-8111-111111111111" {
		t.Errorf("%+v", slots)
	}
	if draft := saved.Pattern(); draft != "  - name: 'Saved row <*> of table users (id=<*>)'\n    match: 'Saved row {field_1} of table users (id={field_2})'\n    fields: {field_1: int, field_2: id}\n    proves: stage\n" {
		t.Errorf("%s", draft)
	}
}

// drafted is the pack that the drafts of templates make.
func drafted(t testing.TB, templates *Templates) *Pack {
	t.Helper()
	text := "pack: drafts\npatterns:\n"
	names := make(map[string]bool)
	n := 0
	for _, template := range templates.List() {
		if draft := template.Pattern(); draft != "" && !names[quoteYAML(template.Text)] {
			names[quoteYAML(template.Text)] = true
			text += draft
			n++
		}
	}
	if n == 0 {
		return nil
	}
	pack, err := ParsePack("drafts.yaml", strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return pack
}

// TestDraftsMatch: the draft of each line's template takes the line.
func TestDraftsMatch(t *testing.T) {
	t.Parallel()
	for _, line := range lines() {
		templates := NewTemplates()
		entry := &logparse.Entry{Message: []byte(line[0])}
		templates.Add(entry)
		var match Match
		if pack := drafted(t, templates); pack != nil && !pack.Match(entry, &match) {
			t.Errorf("%q\nis not taken by\n%s", line[0], templates.List()[0].Pattern())
		}
	}
}

func TestTemplatesAreBounded(t *testing.T) {
	t.Parallel()
	templates := NewTemplates()
	for i := range maxTemplates + 7 {
		word := strings.Map(func(r rune) rune { return r - '0' + 'a' }, fmt.Sprint(i))
		templates.Add(&logparse.Entry{Message: []byte(word + " x" + word + " y" + word)})
	}
	if len(templates.List()) != maxTemplates || templates.Others != 7 {
		t.Errorf("%d templates, %d others", len(templates.List()), templates.Others)
	}
}

// FuzzTemplates: any messages make templates whose drafts can be read.
func FuzzTemplates(f *testing.F) {
	for _, line := range lines() {
		f.Add(line[0], line[1])
	}
	f.Add("a {b} 'c\nd' \"e", "a {f} 'c' \"e")
	f.Add("xxxx (1) [2]", "xxxx 1 '2'")
	f.Fuzz(func(t *testing.T, one, two string) {
		templates := NewTemplates()
		for _, text := range []string{one, two, one} {
			templates.Add(&logparse.Entry{Message: []byte(text)})
		}
		total := int64(0)
		for _, template := range templates.List() {
			total += template.Count
		}
		if total > 3 {
			t.Errorf("%d messages of 3", total)
		}
		drafted(t, templates)
	})
}
