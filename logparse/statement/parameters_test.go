package statement_test

import (
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/pgrescue/pgrescue/logparse/statement"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// shared is one parser for all tests: each would load the grammar for itself.
var shared = sync.OnceValue(statement.NewParser)

// entries takes the log of a server apart: a line that begins with a tab goes on with the one before.
func entries(log string) []string {
	log = strings.ReplaceAll(log, "\n\t", "\x00")
	prefix := regexp.MustCompile(`^\d{4}-\d\d-\d\d [0-9:.]+ \S+ \[\d+\] `)
	var list []string
	for line := range strings.SplitSeq(log, "\n") {
		list = append(list, strings.ReplaceAll(prefix.ReplaceAllString(line, ""), "\x00", "\n"))
	}
	return list
}

// logged runs f with a server that logs all statements, and returns what it logged.
func logged(t *testing.T, version string, settings map[string]string, f func(c *cluster.Cluster)) []string {
	t.Helper()
	all := map[string]string{"log_statement": "all", "log_line_prefix": "%m [%p] "}
	for name, value := range settings {
		all[name] = value
	}
	c := clustertest.Start(t, cluster.Options{Version: version, Settings: all})
	f(c)
	return entries(c.LogTail(1 << 20))
}

// nasty are values that other tools cut.
func nasty() []string {
	return []string{
		"plain", "", "a, b", "it's", `"quoted", 'both'`, "two\nlines", "tab\tand\ttab", `back\slash \n`, "$2 = 'x', $3 = NULL",
		"ends in a quote'", "', $9 = '", "ends in dots...", strings.Repeat("long ", 100), "straße 🙂", "NULL", "parameters: $1 = 'x'",
	}
}

func TestParametersAreWholeAsTheServerLogsThem(t *testing.T) {
	t.Parallel()
	clustertest.EachVersion(t, func(t *testing.T, version string) {
		list := logged(t, version, nil, func(c *cluster.Cluster) {
			conn, err := c.Connect(t.Context(), "postgres")
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range nasty() {
				if _, err := conn.Exec(t.Context(), "select $1::text, $2::int, $3::text", text, 7, nil); err != nil {
					t.Fatal(err)
				}
			}
			if err := conn.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
		seen := 0
		for _, entry := range list {
			detail, ok := strings.CutPrefix(entry, "DETAIL:  ")
			if !ok {
				continue
			}
			values, ok := statement.ParseParameters(detail, 0)
			if !ok || len(values) != 3 {
				t.Errorf("%q gives %d parameters", detail, len(values))
				continue
			}
			want := nasty()[seen]
			seen++
			checkParameter(t, values[0], want)
			if string(values[1].Text) != "7" || values[2].State != evidence.Null {
				t.Errorf("%q: %+v", detail, values[1:])
			}
		}
		if seen != len(nasty()) {
			t.Errorf("%d of %d parameters were logged", seen, len(nasty()))
		}
	})
}

func checkParameter(t *testing.T, value evidence.Value, want string) {
	t.Helper()
	if strings.HasSuffix(want, "...") { // it may have been cut: nothing in the log tells
		if value.State != evidence.Unknown || string(value.Raw)+"..." != want || value.Reason == "" {
			t.Errorf("%q: %+v", want, value)
		}
		return
	}
	if value.State != evidence.Known || string(value.Text) != want {
		t.Errorf("got %q, state %d, want %q", value.Text, value.State, want)
	}
}

func TestCutParametersAreMarked(t *testing.T) {
	t.Parallel()
	list := logged(t, "15", map[string]string{"log_parameter_max_length": "20", "log_parameter_max_length_on_error": "20"}, func(c *cluster.Cluster) {
		conn, err := c.Connect(t.Context(), "postgres")
		if err != nil {
			t.Fatal(err)
		}
		values := []any{strings.Repeat("x", 20), strings.Repeat("y", 21), "short...", strings.Repeat("é", 11), 0}
		if _, err := conn.Exec(t.Context(), "select $1::text, $2::text, $3::text, $4::text, 1 / (g * $5::int) from generate_series(1, 1) g", values...); err == nil {
			t.Fatal("a division by zero succeeded")
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	found := 0
	for _, entry := range list {
		for _, limit := range []int{0, 20} {
			values, ok := statement.ParseParameters(strings.TrimPrefix(strings.TrimPrefix(entry, "DETAIL:  "), "CONTEXT:  "), limit)
			if !ok {
				continue
			}
			found++
			want := []string{strings.Repeat("x", 20), "?" + strings.Repeat("y", 20), "short...", "?" + strings.Repeat("é", 10), "0"}
			for i, text := range want {
				kept, cut := strings.CutPrefix(text, "?")
				if cut && (values[i].State != evidence.Unknown || string(values[i].Raw) != kept) {
					t.Errorf("limit %d, $%d: a cut value is taken for %+v", limit, i+1, values[i])
				}
				if !cut && (values[i].State != evidence.Known || string(values[i].Text) != text) {
					t.Errorf("limit %d, $%d: a whole value is taken for %+v", limit, i+1, values[i])
				}
			}
		}
	}
	if found != 4 {
		t.Errorf("%d lists of parameters, want those of the DETAIL and the CONTEXT, each twice", found)
	}
}

func TestCutListsOfParametersKeepWhatTheyShow(t *testing.T) {
	t.Parallel()
	whole := "Parameters: $1 = 'it''s', $2 = NULL, $3 = '42'"
	for end := range len(whole) {
		values, _ := statement.ParseParameters(whole[:end], 0)
		for i, want := range []string{"it's", "", "42"} {
			value := values.At(i + 1)
			// Cut between two quotes that stand for one, the list looks whole. The entry is Partial then.
			if value.State == evidence.Known && string(value.Text) != want && !strings.HasPrefix(whole[end:], "'") {
				t.Errorf("%s: $%d is %q", whole[:end], i+1, value.Text)
			}
		}
		if values.At(4).State != evidence.Unknown || values.At(0).Reason == "" {
			t.Errorf("parameters that are not there are known")
		}
	}
	for _, text := range []string{"", "prepare: PREPARE p AS SELECT $1", "Key (a)=(1) already exists.", "arameters: $1 = '1'", "parameters: none"} {
		if values, ok := statement.ParseParameters(text, 0); ok {
			t.Errorf("%q has parameters: %v", text, values)
		}
	}
}

func FuzzParameters(f *testing.F) {
	f.Add("parameters: $1 = 'a', $2 = NULL", 0)
	f.Add("unnamed portal with parameters: $1 = 'it''s...'", 4)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		values, ok := statement.ParseParameters(text, limit)
		if ok != (len(values) > 0) {
			t.Fatal("a list of nothing")
		}
		for i := range values {
			if (values[i].State == evidence.Unknown) != (values[i].Reason != "") {
				t.Fatalf("%+v", values[i])
			}
		}
	})
}

func TestParametersStandInTheStatement(t *testing.T) {
	t.Parallel()
	values, ok := statement.ParseParameters("parameters: $1 = 'it''s $2', $2 = NULL, $3 = 'cut it here...'", 0)
	if !ok {
		t.Fatal("no parameters")
	}
	sql := "INSERT INTO t (a, b, c, d, e, f) VALUES ($1::text, $2, $3, $4, '$1', a$1) /* $1 */"
	want := "INSERT INTO t (a, b, c, d, e, f) VALUES ('it''s $2'::text, NULL, $3, $4, '$1', a$1) /* $1 */"
	if got := statement.Inline(sql, values); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got := statement.Inline(sql, nil); got != sql {
		t.Errorf("without parameters: %s", got)
	}
}
