package runbook

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// approvalHours is how long an approval holds.
const approvalHours = 12 * time.Hour

// Approval is what somebody says of a plan. Its token is no signature: it keeps a
// mistake of one person from being enough, and says in the journal who the other was.
type Approval struct {
	Plan string    `json:"plan"` // its hash
	Who  string    `json:"who"`
	Host string    `json:"host"`
	At   time.Time `json:"at"`
}

// Token is the approval as a word that can be read out or pasted.
func (a Approval) Token() string {
	text, err := json.Marshal(a)
	if err != nil {
		return "" // texts and times always have a JSON form
	}
	return base64.RawURLEncoding.EncodeToString(text) + "." + tokenSum(text)
}

func tokenSum(text []byte) string {
	sum := sha256.Sum256(append([]byte("pgrescue runbook approval\n"), text...))
	return hex.EncodeToString(sum[:6])
}

// ParseApproval reads a token.
func ParseApproval(token string) (Approval, error) {
	var a Approval
	body, sum, found := strings.Cut(strings.TrimSpace(token), ".")
	text, err := base64.RawURLEncoding.DecodeString(body)
	if !found || err != nil || tokenSum(text) != sum || json.Unmarshal(text, &a) != nil {
		return a, failure("read", "approval", ErrInput, "`pgrescue runbook approve` prints it", "it is cut off, or no token of an approval")
	}
	return a, nil
}

// approve wants the token of somebody else for this very plan.
func (v *visiting) approve(ctx context.Context) error {
	if v.o.Rehearsal {
		return v.write(Line{Event: LineAnswer, Step: v.step.ID, Visit: v.number, Question: "approval of plan " + v.plan, Answer: "nobody", Note: "this is a drill"})
	}
	tokens := v.o.Approvals
	refused := failure("begin", v.place(), ErrConfirm, "somebody else runs `pgrescue runbook approve` on the same book and values; pass the token with --approval",
		"step %s needs the approval of a second person for plan %.12s", v.step.Name(), v.plan)
	if len(tokens) == 0 {
		if v.o.Ask == nil {
			return refused
		}
		token, err := v.ask(ctx, Question{Kind: AskApproval, Text: "the token of a second person for plan " + v.plan[:12]})
		if err != nil {
			return err
		}
		if token == "" {
			return refused
		}
		tokens = []string{token}
	}
	for _, token := range tokens {
		a, err := ParseApproval(token)
		if err != nil {
			return err
		}
		if err := v.fits(a); err != nil {
			refused = err
			continue
		}
		v.o.Approvals = tokens
		return v.write(Line{
			Event: LineAnswer, Step: v.step.ID, Visit: v.number, Question: "approval of plan " + v.plan, Answer: a.Who,
			Note: "given at " + a.At.UTC().Format(time.RFC3339) + " on " + a.Host,
		})
	}
	return refused
}

// fits says why an approval does not hold for this run.
func (v *visiting) fits(a Approval) error {
	refuse := func(kind error, hint, format string, args ...any) error {
		return failure("begin", v.place(), kind, hint, format, args...)
	}
	age := time.Since(a.At)
	switch {
	case a.Plan != v.plan:
		return refuse(ErrStale, "have the plan approved anew", "the approval of %s is for plan %.12s, this is plan %.12s", a.Who, a.Plan, v.plan)
	case strings.EqualFold(a.Who, v.o.Who):
		return refuse(ErrConfirm, "somebody else has to approve", "%s runs the book, and cannot approve it too", a.Who)
	case age > approvalHours:
		return refuse(ErrStale, "have the plan approved anew", "the approval of %s is %v old", a.Who, age.Round(time.Minute))
	case age < -5*time.Minute:
		return refuse(ErrStale, "compare the clocks", "the approval of %s comes from the future: %s", a.Who, a.At.UTC().Format(time.RFC3339))
	}
	return nil
}
