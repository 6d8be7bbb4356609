package statement_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/pgrescue/pgrescue/logparse/statement"
)

// parseVariable names a statement for TestParseAlone, which does nothing without it.
const parseVariable = "PGRESCUE_TEST_PARSE"

// highWater is the peak of a process's memory in /proc. That in its resource usage is its parent's, if that was higher.
var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak runs TestParseAlone in a process of its own, and gives its peak memory in MiB.
func peak(t *testing.T, sql string) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestParseAlone$", "-test.count=1")
	cmd.Env = append(os.Environ(), parseVariable+"="+sql)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found := highWater.FindSubmatch(out)
	if found == nil {
		t.Fatalf("the process's memory is not known: %s", out)
	}
	kib, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib >> 10
}

func TestParseAlone(t *testing.T) {
	t.Parallel()
	sql := os.Getenv(parseVariable)
	if sql == "" {
		return
	}
	if _, err := statement.NewParser().Parse(sql, nil); err != nil {
		t.Error(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(os.Stdout, "%s\n", highWater.Find(status)); err != nil {
		t.Fatal(err)
	}
}

// Commands that parse no statement, or only those that change nothing, must not pay for the grammar.
func TestTheGrammarIsLoadedWhenItIsNeeded(t *testing.T) {
	t.Parallel()
	without, with := peak(t, "BEGIN"), peak(t, "DELETE FROM t WHERE id = 1")
	t.Logf("peak memory without the grammar %d MiB, with it %d MiB", without, with)
	if without > 100 || with < without+50 {
		t.Errorf("peak memory without the grammar is %d MiB, with it %d MiB", without, with)
	}
}
