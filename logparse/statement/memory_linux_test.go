package statement_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/pgrescue/pgrescue/logparse/statement"
)

// parseVariable names a statement for TestParseAlone, which does nothing without it.
const parseVariable = "PGRESCUE_TEST_PARSE"

// peak runs TestParseAlone in a process of its own, and gives its peak memory in MiB.
func peak(t *testing.T, sql string) int64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestParseAlone$", "-test.count=1")
	cmd.Env = append(os.Environ(), parseVariable+"="+sql)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("the process's memory is not known")
	}
	return usage.Maxrss >> 10
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
