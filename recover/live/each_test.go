package live

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

func TestEach(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	conn := connect(t, c.LibpqDSN("postgres"), Options{Command: "x"})
	var got []string
	each := func(stop int) error {
		got = nil
		return conn.Each(t.Context(), "read", "SELECT $1::text::int", []string{"1", "x", "3", "99999999999", ""}, func(n int, err error) error {
			if n == stop {
				return errors.ErrUnsupported
			}
			got = append(got, fmt.Sprint(n, " ", Code(err)))
			return nil
		})
	}
	for range 2 {
		if err := each(-1); err != nil || strings.Join(got, ",") != "0 ,1 22P02,2 ,3 22003,4 22P02" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := each(1); !errors.Is(err, errors.ErrUnsupported) || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
	if one, err := conn.Value(t.Context(), "read", "SELECT 1"); one != "1" {
		t.Errorf("the session is not as it was: %v", err)
	}
	if err := conn.Exec(t.Context(), "set", "SET statement_timeout = 50"); err != nil {
		t.Fatal(err)
	}
	err := conn.Each(t.Context(), "read", "SELECT pg_sleep(10) WHERE $1 = 'x'", []string{"x"}, func(_ int, err error) error { return err })
	if !errors.Is(err, ErrTimeout) {
		t.Errorf("the error is %v", err)
	}
	err = conn.Each(t.Context(), "read", "SELECT pg_terminate_backend(pg_backend_pid()) WHERE $1 <> ''", []string{"x", "y"}, func(int, error) error { return nil })
	if !errors.Is(err, ErrLost) {
		t.Errorf("the error is %v", err)
	}
}
