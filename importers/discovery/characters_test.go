package discovery

import (
	"strings"
	"testing"
)

// Escapes of characters beyond ASCII become these characters, wherever they stand; all others stay as they are.
func TestAppendCharacters(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                            ``,
		`{"a": "b"}`:                  `{"a": "b"}`,
		`"\u00e9"`:                    `"é"`,
		`"\u00e9\u20AC\ud83d\ude00"`:  `"é€😀"`,
		`"\\u00e9 \\\u00e9 \"\n"`:     `"\\u00e9 \\é \"\n"`,
		`"\u0000\u001f\u007f\u0080"`:  "\"\\u0000\\u001f\\u007f\u0080\"",
		`"\ud83d \ud83d\u00e9\ude00"`: `"\ud83d \ud83dé\ude00"`,
		`"\ud83d`:                     `"\ud83d`,
		`"\u00e`:                      `"\u00e`,
		`"\`:                          `"\`,
		`"é\u00e9"`:                   `"éé"`,
	} {
		if got := string(appendCharacters([]byte("x"), []byte(text))); got != "x"+want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// A text of jsonb without escapes is not copied: the states are as large as the file.
func TestJSONBNotCopied(t *testing.T) {
	t.Parallel()
	im := &Import{opts: Options{Schema: October()}}
	w := im.writer(im.opts.Schema.shape(tableFlows, []string{"crewai_state_data", "flow_name"}))
	for _, escape := range []string{"", `\\u00e9`, `\u00e9`} {
		w.begin(1)
		state := []byte(`{"é": "` + strings.Repeat("x", 100) + escape + `"}`)
		w.text(0, state)
		w.string(1, `\u00e9`)
		values := w.end().Values
		if same, want := &values[0].Text[0] == &state[0], escape != `\u00e9`; same != want || string(values[1].Text) != `\u00e9` {
			t.Errorf("with %q: it is the same text: %t, and the name is %s", escape, same, values[1].Text)
		}
	}
}
