package statement

import (
	"errors"
	"slices"
	"testing"
)

func TestTokensAreThoseOfPostgreSQL(t *testing.T) {
	t.Parallel()
	tests := []struct {
		sql  string
		want []string
	}{
		{"a=-1", []string{"a", "=", "-", "1"}},
		{"a@-1", []string{"a", "@-", "1"}},
		{"a<-- b\n1", []string{"a", "<", "1"}},
		{"a*/**/b", []string{"a", "*", "b"}},
		{"x::int4[]", []string{"x", "::", "int4", "[", "]"}},
		{"1.5e-3+.5e2 1e 0xFFg 1_000.5", []string{"1.5e-3", "+", ".5e2", "1", "e", "0xFF", "g", "1_000.5"}},
		{"$1 $12x a$1 $$a$b$$ $t$ $$ $t$", []string{"$1", "$12", "x", "a$1", "$$a$b$$", "$t$ $$ $t$"}},
		{`'it''s' E'a\'b' "a""b" U&"\0061" n'x' x'1F' e 'x'`, []string{`'it''s'`, `E'a\'b'`, `"a""b"`, `U&"\0061"`, `n'x'`, `x'1F'`, "e", `'x'`}},
		{"'a'\n 'b' 'c'", []string{"'a'\n 'b'", "'c'"}},
		{"'a' -- x\n 'b'", []string{"'a' -- x\n 'b'"}},
	}
	for _, test := range tests {
		list, err := tokens(test.sql)
		var got []string
		for _, token := range list {
			got = append(got, test.sql[token.start:token.end])
		}
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, %v, want %q", test.sql, got, err, test.want)
		}
	}
	for _, sql := range []string{"'a", "E'a\\'", `"a`, "$$a", "$a$ $b$", "/* /* */", "'a'\n'b"} {
		if _, err := tokens(sql); !errors.Is(err, ErrCut) {
			t.Errorf("%s: %v, want that it is cut", sql, err)
		}
	}
}

func TestStringsAreDecodedAsPostgreSQLDoes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`'it''s \n'`:                       `it's \n`,
		`E'it''s \' \n\t\x41\101\u20ac\q'`: "it's ' \n\tAA€q",
		`E'\uD83D\uDE00 \U0001F600'`:       "😀 😀",
		`U&'\0061\+01F600\\ x'`:            `a😀\ x`,
		"'a'\n  'b''c'":                    "ab'c",
		`$$it's$$`:                         "it's",
		`$a$ $$ $a$`:                       " $$ ",
		`N'x'`:                             "x",
		`E'a\\''b'`:                        `a\'b`,
	} {
		if got := stringText(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"007": "7", "1.50": "1.50", ".5": "0.5", "1e3": "1000", "1.25e1": "12.5", "15e-3": "0.015", "0x1F": "31", "0b101": "5", "0o17": "15",
		"1_000": "1000", "0": "0", "0.0": "0.0", "5.": "5", "12345678901234567890123": "12345678901234567890123", "0e5": "0",
	} {
		if got := numberText(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
