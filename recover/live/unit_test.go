package live

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestMask(t *testing.T) {
	t.Parallel()
	cause := errors.New("no s3cret here, s3cret")
	if got := mask(cause, []string{"", "s3cret"}).Error(); got != "no … here, …" {
		t.Errorf("masked: %q", got)
	}
	if !errors.Is(mask(cause, []string{"other"}), cause) {
		t.Error("an error without secrets lost its meaning")
	}
	answer := fmt.Errorf("s3cret: %w", &pgconn.PgError{Code: "42501", Message: "no"})
	if got := mask(answer, []string{"s3cret"}); Code(got) != "42501" || strings.Contains(got.Error(), "s3cret") {
		t.Errorf("masked: %v, code %q", got, Code(got))
	}
}
