package pglog

import (
	"strings"
	"testing"
)

func lines(text string) (split [][]byte) {
	for line := range strings.Lines(text) {
		split = append(split, []byte(strings.TrimSuffix(line, "\n")))
	}
	return split
}

func TestInferPrefix(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"Debian", "2025-10-07 18:22:49.123 UTC [71] LOG:  ready\n2025-10-07 18:22:49.123 UTC [72] app@shop LOG:  statement: SELECT 1\n", "%m [%p] %q%u@%d "},
		{"no process without a session", "2025-10-07 18:22:49.123 UTC [72] app@shop LOG:  statement: SELECT 1\n", "%m [%p] %u@%d "},
		{"default", "2025-10-07 18:22:49.123 UTC [72] LOG:  statement: SELECT 1\n", "%m [%p] "},
		{"RDS", "2025-10-07 18:22:49 UTC:10.0.0.1(5511):app@shop:[72]:LOG:  statement: SELECT 1\n2025-10-07 18:22:49 UTC::@:[72]:LOG:  checkpoint starting: time\n", "%t:%r:%u@%d:[%p]:"},
		{"pgBadger", "2025-10-07 18:22:49 CEST [72]: [1-1] user=app,db=shop,app=psql,client=10.0.0.1 LOG:  a\n2025-10-07 18:22:49 CEST [72]: [2-1] user=app,db=shop,app=my app,client=10.0.0.1 LOG:  b\n2025-10-07 18:22:49 CEST [9]: [4-1] user=,db=,app=,client= LOG:  b\n", "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h "},
		{"bars", "2025-10-07 18:22:49.123 UTC|app|shop|68e55d29.48|LOG:  connection authorized: user=app database=shop\n2025-10-07 18:22:49.123 UTC|a-b|shop|68e55d29.48|LOG:  b\n", "%m|%u|%d|%c|"},
		{"what nothing tells is not guessed", "2025-10-07 18:22:49.123 UTC|app|shop|LOG:  a\n", "%m|%W|%W|"},
		{"no time", "[72] LOG:  a\n[72] ERROR:  b\n", "[%p] "},
		{"none", "LOG:  a\nERROR:  b\nSTATEMENT:  c\n", ""},
		{"epoch, transaction, state", "1759861369.123 72 3/17 0 00000 LOG:  a\n1759861369.124 72 3/17 731 42P01 ERROR:  b\n", "%n %p %v %x %e "},
		{"processes without a session have no transaction", "2025-10-07 18:22:49.123 UTC [71] 3/17 (app@shop) LOG:  a\n2025-10-07 18:22:49.123 UTC [9]  LOG:  b\n2025-10-07 18:22:49.123 UTC [71] 3/18 (app@shop) LOG:  a\n", "%m [%p] %v %q(%u@%d) "},
		{"query ids, which are no transactions", "2025-10-07 18:22:49.123 UTC [71] -6187264835969687996 LOG:  a\n2025-10-07 18:22:49.123 UTC [71] 0 LOG:  a\n2025-10-07 18:22:49.123 UTC [71] 3406127565719852105 LOG:  a\n", "%m [%p] %Q "},
		{"lines of sessions that nothing tells apart", "1 LOG:  a\n2 LOG:  b\n1 LOG:  c\n3 LOG:  d\n2 LOG:  e\n4 LOG:  f\n", "%l "},
		{"the first process of a container", "1 LOG:  a\n1 LOG:  b\n27 LOG:  c\n28 LOG:  d\n27 LOG:  c\n1 LOG:  d\n", "%p "},
		{"a line of the prefix before", "PG[71]: LOG:  a\n" + strings.Repeat("2025-10-07 18:22:49 UTC:[local]:app@shop:[71]: LOG:  b\n", 12), "%t:%W:%u@%d:[%p]: "},
		{"lines without what stands behind %q do not make a transaction of a process", "2025-10-07 18:22:49 UTC 71 1 LOG:  a\n2025-10-07 18:22:49 UTC 71 2 LOG:  a\n2025-10-07 18:22:49 UTC 72 1 LOG:  a\nLOG:  b\n", "%q%t %p %l "},
		{"percent", "%72% LOG:  a\n", "%%%p%% "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := InferPrefix(lines(test.text)); got == nil || got.String() != test.want {
				t.Errorf("%v, want %q", got, test.want)
			}
		})
	}
	for _, text := range []string{"", "2025-10-07 18:22:49,123 - app - INFO - LOG: a\n", "\tLOG:  a\n", "DIALOG  \n"} {
		if got := InferPrefix(lines(text)); got != nil {
			t.Errorf("%q: %q, want none", text, got)
		}
	}
}

func TestParsePrefix(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"%", "%k", "%-10", "%N", "%W"} {
		if p, err := ParsePrefix(text); err == nil {
			t.Errorf("%q is read as %q", text, p)
		}
	}
	p, err := ParsePrefix("%-8p|%10u|%P|%Q|%b|%i|%s ")
	if err != nil {
		t.Fatal(err)
	}
	m := &matcher{prefix: p}
	if !m.match([]byte("72      |       app||-42|client backend|INSERT|2025-10-07 18:22:49 UTC LOG:  a")) {
		t.Fatal("the prefix does not fit")
	}
	if h := m.head; h.pid != 72 || string(h.user) != "app" || string(h.queryID) != "-42" || string(h.backend) != "client backend" ||
		string(h.tag) != "INSERT" || string(h.start) != "2025-10-07 18:22:49 UTC" || string(h.text) != "a" {
		t.Errorf("head %+v", h)
	}
}
