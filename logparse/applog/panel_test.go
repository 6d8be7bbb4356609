package applog

import "testing"

func TestParsePanel(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		message string
		want    Panel
	}{
		{
			"╭──────── Crew Completion ────────╮\n│                                 │\n│  Name: mapping                  │\n│  Rows: [{'Server Name':         │\n│  'OG-DC-SRV01', 'OS': None},    │\n│  {'Server Name': 'b'}]          │\n│                                 │\n╰─────────────────────────────────╯",
			Panel{Title: "Crew Completion", Text: "Name: mapping\nRows: [{'Server Name': 'OG-DC-SRV01', 'OS': None}, {'Server Name': 'b'}]"},
		},
		{"┌──────┐\n│ abcd │\n│ efgh │\n├──────┤\n│ ij   │", Panel{Text: "abcdefgh\n\nij", Cut: true}},
		{"╭──╮\n╰──╯", Panel{}},
	} {
		if got, ok := ParsePanel(test.message); !ok || got != test.want {
			t.Errorf("%s\ngave %+v, want %+v", test.message, got, test.want)
		}
	}
	if _, ok := ParsePanel("a\n╭──╮"); ok {
		t.Error("no panel begins with text")
	}
}

func FuzzPanel(f *testing.F) {
	f.Add("╭─ a ─╮\n│ b │\n│c\n╰──╯")
	f.Fuzz(func(t *testing.T, message string) {
		panel, ok := ParsePanel(message)
		if !ok && panel != (Panel{}) || len(panel.Text) > 2*len(message) {
			t.Errorf("%q gave %+v", message, panel)
		}
	})
}
