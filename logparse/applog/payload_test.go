package applog

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse/pyrepr"
)

// TestPayloads: each literal as the application's json.dumps would store it, or what keeps it from that.
func TestPayloads(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind                Kind
		text, want, trouble string
	}{
		{KindJSON, `{"Server Name":"web","n":1,"x":[true,null,-0.50]} and more`, `{"Server Name": "web", "n": 1, "x": [true, null, -0.5]}`, ""},
		{KindJSON, "{\n  \"a\": {\n    \"b\": \"c}\"\n  }\n}", `{"a": {"b": "c}"}}`, ""},
		{KindJSON, `{"a":"\ud83d\ude00 é \u2060","b":"\"\\\/\n"}`, `{"a": "\ud83d\ude00 \u00e9 \u2060", "b": "\"\\/\n"}`, ""},
		{KindJSON, `{"a":"x\u007fy"}`, `{"a": "x\u007fy"}`, ""},
		{KindJSON, `{"a":1e5,"b":1E-7,"c":123456789012345678901234567890,"d":1e16}`, `{"a": 100000.0, "b": 1e-07, "c": 123456789012345678901234567890, "d": 1e+16}`, ""},
		{KindJSON, `{"a":1,"b":2,"a":3}`, `{"a": 3, "b": 2}`, ""},
		{KindJSON, `[]`, `[]`, ""},
		{KindJSON, `{"a":"cut of`, `{"a": "cut of..."}`, `its field "a" is cut in the log to "cut of"`},
		{KindJSON, `{"a":"x\u00`, `{"a": "x..."}`, `its field "a" is cut in the log to "x"`},
		{KindJSON, `{"a":12`, `{"a": 12}`, "it is cut in the log"},
		{KindJSON, `{"a":tru`, `{"a": "***FILTERED***"}`, `its field "a" is cut in the log`},
		{KindJSON, `{"Token":[REDACTED]"x":1}`, `{"Token": "[REDACTED]", "x": 1}`, `its field "Token" is redacted`},
		{KindRepr, `{'Server Name': "Bob's", 'n': None, 'ok': True, 'f': 0.1, 'é': 'ü'}`, `{"Server Name": "Bob's", "n": null, "ok": true, "f": 0.1, "\u00e9": "\u00fc"}`, ""},
		{KindRepr, `{'Auth': '[REDACTED]s basic', 'OS': 'x'}`, `{"Auth": "[REDACTED]s basic", "OS": "x"}`, `its field "Auth" is redacted, ends with "s basic"`},
		{KindRepr, `{'session':[REDACTED]'OS': 'x'}`, `{"session": "[REDACTED]", "OS": "x"}`, `its field "session" is redacted`},
		{KindRepr, `{'auth':[REDACTED]se, 'OS': 'x'}`, `{"auth": "[REDACTED]se", "OS": "x"}`, `its field "auth" is redacted, ends with "se"`},
		{KindRepr, `{'secret': [REDACTED]}`, `{"secret": "[REDACTED]"}`, `its field "secret" is redacted`},
		{KindRepr, `{'owner': '***PII_FILTERED***'}`, `{"owner": "***PII_FILTERED***"}`, `its field "owner" is filtered: only its name is known`},
		{KindRepr, `{'flow': '***c3d2e1f0'}`, `{"flow": "***c3d2e1f0"}`, `its field "flow" is masked, ends with "c3d2e1f0"`},
		{KindRepr, `{'note': 'ab ... (3 characters truncated) ... yz'}`, `{"note": "ab ... (3 characters truncated) ... yz"}`, `its field "note" is cut in the log to "ab…yz": 3 characters are missing`},
		{KindRepr, `{'note': 'and so on...'}`, `{"note": "and so on..."}`, ""},
		{KindRepr, `{'at': datetime.datetime(2025, 10, 7, 18, 22), 'b': 1}`, `{"at": "***FILTERED***", "b": 1}`, `its field "at" is a datetime, which JSON has not`},
		{KindRepr, `{'a': 'x', 'b': 'cut`, `{"a": "x", "b": "cut..."}`, `its field "b" is cut in the log to "cut"`},
		{KindRepr, `{'password': 'hunter2', 'OS': 'x'}`, `{"password": "hunter2", "OS": "x"}`, `its field "password" is a secret that outputs do not show`},
		{KindRepr, `{'password': None, 'token': ''}`, `{"password": null, "token": ""}`, ""},
	} {
		value, n := readLiteral(test.kind, test.text)
		if n < 0 {
			t.Errorf("%q: nothing is there", test.text)
			continue
		}
		text, trouble := dumps(&value)
		if trouble != test.trouble || test.want != "" && text != test.want {
			t.Errorf("%q\ngave %q, %q\nwant %q, %q", test.text, text, trouble, test.want, test.trouble)
		}
		if rest := test.text[n:]; rest != "" && rest != " and more" {
			t.Errorf("%q: %q is left", test.text, rest)
		}
	}
	for _, text := range []string{"", "x", "7", `"a"`, "{]"} {
		if value, n := readJSON(text); n >= 0 {
			t.Errorf("%q is %+v", text, value)
		}
	}
}

// TestPayloadsInPart: what is redacted, masked or cut is read as far as it goes, and never taken for the whole.
func TestPayloadsInPart(t *testing.T) {
	t.Parallel()
	for _, literal := range []string{
		`{'Server Name': 'web', 'Auth': '[REDACTED]s basic', 'n': 7}`, `{'Token':[REDACTED]'n': 7}`, `{'n': '[REDACTED]'}`,
		`{'note': 'ab ... (3 characters truncated) ... yz'}`, `{'tags': ['a', 'b'], 'Server Name': 'we`, `{'other': 'x', 'Server Name': 'we`,
		`{'Server Name': '***PII_FILTERED***', 'n': datetime.date(2025, 1, 2), 'Token': '***b'}`,
	} {
		value, n := readLiteral(KindRepr, literal)
		if n < 0 {
			t.Errorf("%q is nothing", literal)
			continue
		}
		if text, trouble := dumps(&value); trouble == "" {
			t.Errorf("%q is %q", literal, text)
		}
	}
}

// FuzzPayloads: JSON as encoding/json reads it is read alike, and what is made of any text is JSON.
func FuzzPayloads(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,2.50,"x\ud83d\ude00\n",null,true,{"b":{}}],"c":"é"}`, `{'a': '[REDACTED]s', 'b':[REDACTED]'c': 1}`, `{"a":"cut`, `[{"a":1e400}]`, `{"a":-0}`, "{\"\xff\":1}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []Kind{KindJSON, KindRepr} {
			value, n := readLiteral(kind, text)
			if n > len(text) {
				t.Fatalf("%q takes %d bytes", text, n)
			}
			if n < 0 {
				continue
			}
			made, trouble := dumps(&value)
			if trouble != "" {
				continue
			}
			if !json.Valid([]byte(made)) {
				t.Errorf("%q became %q", text, made)
			}
		}
		checkJSON(t, text)
	})
}

// checkJSON compares with encoding/json.
func checkJSON(t *testing.T, text string) {
	t.Helper()
	var want, have any
	if strings.Contains(text, redacted) || strings.Contains(text, `\u`) || json.Unmarshal([]byte(text), &want) != nil {
		return // encoding/json has its own way with halves of surrogates
	}
	if start := strings.TrimLeft(text, " \t\r\n"); start[0] != '{' && start[0] != '[' {
		return
	}
	value, n := readJSON(text)
	if n < 0 || value.Cut && !deep(&value) {
		t.Fatalf("%q gave %d, %+v", text, n, value)
	}
	made, trouble := dumps(&value)
	if trouble != "" {
		return
	}
	if err := json.Unmarshal([]byte(made), &have); err != nil || !reflect.DeepEqual(have, want) {
		t.Errorf("%q became %q, %v", text, made, err)
	}
}

// deep reports whether a value was given up because it nests too deep.
func deep(value *pyrepr.Value) bool {
	if value.Kind == pyrepr.Lost {
		return true
	}
	for i := range value.Items {
		if deep(&value.Items[i]) {
			return true
		}
	}
	return false
}
