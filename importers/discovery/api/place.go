package api

import (
	"errors"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// apiPath is where the application's endpoints are.
const apiPath = "/api/v1"

// address checks the address of a server, and adds the path of its endpoints.
func address(text string) (*url.URL, error) {
	refuse := func(why string) error {
		return &evidence.Error{Op: "api: address", Err: evidence.OfKind(ErrAddress, errors.New(why)), Hint: "an address is https://host, and the token comes from the environment"}
	}
	base, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, refuse("it cannot be read") // its text may hold a password
	case base.Scheme != "http" && base.Scheme != "https" || base.Hostname() == "":
		return nil, refuse("it must begin with https:// or http:// and name a host")
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, refuse("it holds more than a host and a path")
	}
	base.Path = strings.TrimRight(base.Path, "/")
	if !strings.HasSuffix(base.Path, apiPath) {
		base.Path += apiPath
	}
	base.RawPath = ""
	return base, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// same tells whether two addresses are of one place: scheme, host and port.
func same(a, b *url.URL) bool {
	port := func(u *url.URL) string {
		switch {
		case u.Port() != "":
			return u.Port()
		case u.Scheme == "https":
			return "443"
		}
		return "80"
	}
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

// bearer finds tokens in texts of the server.
var bearer = regexp.MustCompile(`(?i)\bbearer\s+[^\s"',;]+`)

// clean takes the token out of a text, and whatever looks like one.
func (c *Client) clean(text string) string {
	if token := c.token(); token != "" {
		for _, form := range []string{token, url.QueryEscape(token), url.PathEscape(token)} {
			text = strings.ReplaceAll(text, form, "[token]")
		}
	}
	return bearer.ReplaceAllString(text, "[token]")
}
