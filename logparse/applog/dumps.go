package applog

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/logparse/pyrepr"
	"github.com/pgrescue/pgrescue/logparse/secrets"
)

// dumps writes a value as Python's json.dumps does: a column of type json keeps every byte of what it was sent. trouble
// says which part of the value is not known, or has no place in JSON; "": all of it is there.
func dumps(value *pyrepr.Value) (text, trouble string) {
	d := dumper{}
	d.value(value, "")
	return d.String(), d.trouble
}

type dumper struct {
	strings.Builder
	trouble string
}

// fail notes what is wrong with the member of a name, the first time.
func (d *dumper) fail(name, what string) {
	if d.trouble != "" {
		return
	}
	if d.trouble = what; name != "" {
		d.trouble = fmt.Sprintf("its field %q is %s", name, what)
	}
}

func (d *dumper) value(v *pyrepr.Value, name string) {
	switch v.Kind {
	case pyrepr.None:
		d.WriteString("null")
	case pyrepr.Bool:
		d.WriteString(strings.ToLower(v.Text))
	case pyrepr.Int:
		d.integer(v.Text, name)
	case pyrepr.Float:
		d.float(v.Text, name)
	case pyrepr.Str:
		if part := partial(v); part != "" {
			d.fail(name, part)
		}
		d.str(marked(v))
	case pyrepr.List, pyrepr.Tuple:
		d.WriteByte('[')
		for i := range v.Items {
			if i > 0 {
				d.WriteString(", ")
			}
			d.value(&v.Items[i], name)
		}
		d.WriteByte(']')
	case pyrepr.Dict:
		d.object(v)
	case pyrepr.Lost:
		d.fail(name, "cut in the log")
		d.str(filtered)
	default:
		d.fail(name, "a "+v.Kind.String()+", which JSON has not")
		d.str(filtered)
	}
	if v.Cut {
		d.fail("", "it is cut in the log")
	}
}

// object writes a dict. Of names that stand twice the last value stands where the first stood.
func (d *dumper) object(v *pyrepr.Value) {
	last := make(map[string]int, len(v.Items)/2)
	for i := 0; i+1 < len(v.Items); i += 2 {
		last[v.Items[i].Text] = i + 1
	}
	d.WriteByte('{')
	first := true
	for i := 0; i+1 < len(v.Items); i += 2 {
		key := &v.Items[i]
		at, open := last[key.Text]
		if !open {
			continue
		}
		delete(last, key.Text)
		if !first {
			d.WriteString(", ")
		}
		first = false
		if key.Kind != pyrepr.Str {
			d.fail("", "a key of it is a "+key.Kind.String())
		}
		d.str(key.Text)
		d.WriteString(": ")
		if value := &v.Items[at]; secrets.Sensitive(key.Text) && value.Kind != pyrepr.None && value.Text != "" && partial(value) == "" {
			d.fail(key.Text, secret)
		}
		d.value(&v.Items[at], key.Text)
	}
	d.WriteByte('}')
}

// secret is why a value is not given that the log has.
const secret = "a secret that outputs do not show"

// filtered stands in the place of a value of which only the name is known.
const filtered = "***FILTERED***"

// marked is a text with a mark, which Read knows, where the log cut it.
func marked(v *pyrepr.Value) string {
	switch {
	case !v.Cut:
		return v.Text
	case v.Missing > 0 && strings.Count(v.Text, "…") == 1:
		return strings.Replace(v.Text, "…", fmt.Sprintf(" ... (%d%s ", v.Missing, truncated), 1)
	case v.Text == "":
		return filtered
	}
	return v.Text + "..."
}

// partial says what is missing of a text; "": nothing.
func partial(v *pyrepr.Value) string {
	switch {
	case v.Cut && v.Missing > 0:
		return fmt.Sprintf("cut in the log to %q: %d characters are missing", v.Text, v.Missing)
	case v.Cut:
		return fmt.Sprintf("cut in the log to %q", v.Text)
	case v.Kind != pyrepr.Str:
		return ""
	}
	known := Read(v.Text)
	if known.State == Whole || known.State == Shortened && known.Missing < 0 { // which a value may end with of its own
		return ""
	}
	return known.String()
}

func (d *dumper) integer(text, name string) {
	switch {
	case text == "-0":
		text = "0"
	case !isNumber(text):
		d.fail(name, "a number that JSON has not")
	}
	d.WriteString(text)
}

// float writes a number as Python prints it: the fewest digits that give it back, an exponent below 1e-4 and from 1e16
// on, and .0 behind a whole number.
func (d *dumper) float(text, name string) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		d.fail(name, "a number that JSON has not")
		return
	}
	shown := strconv.FormatFloat(f, 'e', -1, 64)
	if a := math.Abs(f); a == 0 || a >= 1e-4 && a < 1e16 {
		if shown = strconv.FormatFloat(f, 'f', -1, 64); !strings.Contains(shown, ".") {
			shown += ".0"
		}
	}
	d.WriteString(shown)
}

// str writes a text in ASCII, as the application does.
func (d *dumper) str(text string) {
	d.WriteByte('"')
	if !utf8.ValidString(text) {
		d.fail("", "some of its bytes are not UTF-8")
	}
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			d.WriteByte('\\')
			d.WriteRune(r)
		case r == '\n':
			d.WriteString(`\n`)
		case r == '\r':
			d.WriteString(`\r`)
		case r == '\t':
			d.WriteString(`\t`)
		case r == '\b':
			d.WriteString(`\b`)
		case r == '\f':
			d.WriteString(`\f`)
		case r < ' ' || r > '~' && r < 0x10000:
			fmt.Fprintf(d, `\u%04x`, r)
		case r >= 0x10000:
			r -= 0x10000
			fmt.Fprintf(d, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			d.WriteRune(r)
		}
	}
	d.WriteByte('"')
}
