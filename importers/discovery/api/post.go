package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// fate is what became of a request.
type fate uint8

const (
	stored  fate = iota // the server says so
	unsent              // it was not handled, that is certain
	doubted             // it may have been handled
	final               // the server does not take it, or it cannot be sent
)

// outcome is the fate of a request with its reason.
type outcome struct {
	fate
	answer answer
	after  time.Duration // how long the server asks to wait; 0: it does not say
	kind   error         // of final
	err    error
	hint   string
}

// answer is what the server says of an import that it stored.
type answer struct {
	Success       bool   `json:"success"`
	DataImportID  string `json:"data_import_id"`
	FlowID        string `json:"flow_id"`
	RecordsStored int64  `json:"records_stored"`
	Message       string `json:"message"`
	Error         string `json:"error"`
}

// Sizes and times.
const (
	maxAnswer    = 1 << 20
	maxKnown     = 256 << 20 // up to 1000 rows of an import come back
	maxRedirects = 3
	sendTimeout  = 30 * time.Minute
	askTimeout   = time.Minute
)

// headers puts the tenant and the token on a request.
func (s *session) headers(r *http.Request) {
	r.Header.Set("Accept", "application/json")
	r.Header.Set("X-Client-Account-ID", s.Tenant.ClientAccount.String())
	r.Header.Set("X-Engagement-ID", s.Tenant.Engagement.String())
	if s.Tenant.User != uuid.Nil {
		r.Header.Set("X-User-ID", s.Tenant.User.String())
	}
	if token := s.token(); token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
}

// post sends a part once.
func (s *session) post(ctx context.Context, p *part) outcome {
	timeout := s.Timeout
	if timeout == 0 {
		timeout = sendTimeout
	}
	inner, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	place := s.base.JoinPath("data-import", "store-import")
	for range maxRedirects + 1 {
		list := p.list()
		body := struct {
			io.Reader
			io.Closer
		}{io.MultiReader(strings.NewReader(string(p.prefix)), list, strings.NewReader(string(p.suffix))), list}
		request, err := http.NewRequestWithContext(inner, http.MethodPost, place.String(), body)
		if err != nil {
			_ = list.Close()
			return outcome{fate: final, kind: ErrAddress, err: err}
		}
		request.ContentLength = int64(len(p.prefix)) + p.length + int64(len(p.suffix))
		request.Header.Set("Content-Type", "application/json")
		s.headers(request)
		response, err := s.http.Do(request)
		if err != nil {
			_ = list.Close()
			if cause := list.source(); cause != nil {
				return outcome{fate: final, kind: errSource, err: cause}
			}
			if inner.Err() != nil && ctx.Err() == nil {
				err = fmt.Errorf("no answer within %v", timeout)
			}
			return failed(ctx, err)
		}
		result := s.judge(response)
		_ = response.Body.Close()
		_ = list.Close() // the next reading of the source must not meet this one
		next, ok := s.redirect(response, place)
		if !ok {
			return result
		}
		place = next
	}
	return outcome{fate: final, kind: ErrAddress, err: errors.New("the server sends the request in circles")}
}

// redirect follows an answer that says to send the same to another path of the same place.
func (s *session) redirect(response *http.Response, from *url.URL) (*url.URL, bool) {
	if response.StatusCode != http.StatusTemporaryRedirect && response.StatusCode != http.StatusPermanentRedirect {
		return nil, false
	}
	return within(response, from)
}

// within is the other path of the same place to which an answer sends; false: it names another place, or none.
func within(response *http.Response, from *url.URL) (*url.URL, bool) {
	next, err := from.Parse(response.Header.Get("Location"))
	return next, err == nil && same(next, from) && next.User == nil
}

// failed judges a request that got no answer.
func failed(ctx context.Context, err error) outcome {
	if ctx.Err() != nil {
		return outcome{fate: doubted, err: ctx.Err()}
	}
	var failure *url.Error
	if errors.As(err, &failure) {
		err = failure.Err // without the address, which may hold what nobody should see
	}
	var dial *net.OpError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verify *tls.CertificateVerificationError
	switch {
	case errors.As(err, &verify), errors.As(err, &unknown), errors.As(err, &host), errors.As(err, &invalid):
		return outcome{fate: final, kind: ErrAddress, err: err, hint: "SSL_CERT_FILE names the certificates that are trusted"}
	case errors.As(err, &dial) && (dial.Op == "dial" || dial.Op == "proxyconnect"):
		return outcome{fate: unsent, err: err}
	}
	return outcome{fate: doubted, err: err}
}

// errSource: the records could not be read. Nothing was stored, since the request was not whole.
var errSource = errors.New("the source could not be read")

// judge reads the answer to a request.
func (s *session) judge(response *http.Response) outcome {
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	code := response.StatusCode
	said := fmt.Errorf("the server answers %d%s", code, said(text))
	switch {
	case code >= 200 && code < 300:
		var a answer
		switch {
		case err != nil:
			return outcome{fate: doubted, err: fmt.Errorf("the answer broke off: %w", err)}
		case json.Unmarshal(text, &a) != nil:
			return outcome{fate: doubted, err: errors.New("the answer is not the application's" + said.Error()[len("the server answers"):])}
		case !a.Success && a.DataImportID == "":
			return outcome{fate: final, kind: ErrRefused, err: said}
		}
		return outcome{fate: stored, answer: a}
	case code >= 300 && code < 400:
		place := response.Header.Get("Location")
		if next, err := url.Parse(place); err == nil {
			place = next.Scheme + "://" + next.Host
		}
		return outcome{fate: final, kind: ErrAddress, err: fmt.Errorf("the server sends on to %s", place), hint: "name the address itself; the token goes to no other place than the one that is named"}
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return outcome{fate: final, kind: ErrDenied, err: said}
	case code == http.StatusTooManyRequests || code == http.StatusTooEarly:
		return outcome{fate: unsent, err: said, after: retryAfter(response, s.now())}
	case code >= 500 || code == http.StatusRequestTimeout:
		return outcome{fate: doubted, err: said, after: retryAfter(response, s.now())}
	}
	return outcome{fate: final, kind: ErrRefused, err: said}
}

// said is the beginning of what the server says, on one line.
func said(text []byte) string {
	var body struct {
		Detail  json.RawMessage `json:"detail"`
		Message string          `json:"message"`
	}
	words := string(text)
	if json.Unmarshal(text, &body) == nil {
		switch {
		case len(body.Detail) > 0:
			words = string(body.Detail)
		case body.Message != "":
			words = body.Message
		}
	}
	words = strings.Join(strings.Fields(strings.ToValidUTF8(words, "?")), " ")
	if len(words) > 300 {
		words = strings.ToValidUTF8(words[:300], "") + "…"
	}
	if words == "" {
		return ""
	}
	return ": " + words
}

// retryAfter reads how long the server asks to wait.
func retryAfter(response *http.Response, now time.Time) time.Duration {
	value := response.Header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
