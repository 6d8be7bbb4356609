// Package secrets takes secrets out of what logs say before anybody else reads it.
//
//   - Secret: a password, a token, a cookie, a key; what lets its reader in.
//   - Name: what stands before a secret and tells that it is one, as in password=… or "Authorization": "…".
//   - Shape: what tells a secret without a name: a JWT, a key that begins with AKIA, a hash of a password.
//   - Mask: what stands in its place.
//
// Ids stay as they are, since rows are found by them. So do words that say that there is no value, such as
// null, and what somebody else has masked, such as [REDACTED] and ***4f2a91c7: their length and their end are
// evidence. Every text is read once, from its beginning to its end, whatever stands in it.
package secrets

import "strings"

// Mask stands in the place of a secret.
const Mask = "***"

// Text gives a text with a Mask in the place of each secret. A text without any is given back as it is. What is
// masked already does not change.
func Text(text string) string {
	var out []byte
	done := 0
	s := scanner{text: text}
	for s.next() {
		if out == nil {
			out = make([]byte, 0, len(text))
		}
		out = append(out, text[done:s.from]...)
		out = append(out, Mask...)
		done = s.to
	}
	if out == nil {
		return text
	}
	return string(append(out, text[done:]...))
}

// Field gives the value of a field of that name: masked when the name says that it is a secret, else as Text does.
func Field(name, value string) string {
	if !Sensitive(name) || harmless(value) {
		return Text(value)
	}
	if scheme := schemeOf(value); scheme > 0 && isCredential(name) {
		if harmless(value[scheme:]) {
			return value
		}
		return value[:scheme] + Mask
	}
	return Mask
}

// Sensitive reports whether a field of that name holds a secret.
func Sensitive(name string) bool {
	if len(name) < 3 || len(name) > maxName {
		return false
	}
	switch name[len(name)-1] | 0x20 {
	case 'd', 's', 'e', 't', 'n', 'y', 'l', 'r', 'h':
	default:
		return false
	}
	var room [maxName]byte
	compact := room[:0]
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'A' && c <= 'Z':
			compact = append(compact, c|0x20)
		case isWord(c):
			compact = append(compact, c)
		case c >= 0x80 || c == '\n' || c == '=' || c == ',':
			return false
		}
	}
	return sensitive(string(compact), name)
}

// sensitive knows names in lower case and without what stands between their words.
func sensitive(compact, name string) bool {
	for _, end := range []string{"hash", "header", "digest"} {
		if cut := strings.TrimSuffix(compact, end); cut != "" {
			compact = cut
		}
	}
	switch compact {
	case "pass":
		return true
	case "sessionid", "jsessionid", "phpsessid":
		return !strings.ContainsAny(name, "_- .") // session_id is PostgreSQL's, or an id of the application
	case "connectionstring":
		return false // its parts are looked at
	}
	for _, end := range []string{
		"password", "passwd", "passphrase", "passcode", "pwd", "secret", "authorization", "cookie", "cookies", "credentials", "jwt",
		"apikey", "secretkey", "privatekey", "accesskey", "encryptionkey", "signingkey", "authkey", "masterkey", "sshkey",
		"sessionkey", "accountkey", "sharedkey", "clientkey", "servicekey", "dbpass", "smtppass", "userpass",
		"xamzsignature", "sharedaccesssignature",
	} {
		if strings.HasSuffix(compact, end) {
			return true
		}
	}
	if !strings.HasSuffix(compact, "token") {
		return false
	}
	for _, word := range []string{"page", "next", "stop", "pad", "eos", "bos", "per", "unexpected", "cursor", "sync"} {
		if strings.HasSuffix(compact, word+"token") {
			return false
		}
	}
	return true
}

// isCredential reports whether a header of that name has a scheme before the secret.
func isCredential(name string) bool {
	return len(name) >= len("authorization") && strings.EqualFold(name[len(name)-len("authorization"):], "authorization")
}

// schemeOf is the length of a scheme of HTTP's authorization with the spaces behind it; 0: there is none.
func schemeOf(value string) int {
	for _, scheme := range []string{"bearer", "basic", "digest", "negotiate", "token", "apikey"} {
		if len(value) > len(scheme) && value[len(scheme)] == ' ' && strings.EqualFold(value[:len(scheme)], scheme) {
			n := len(scheme)
			for n < len(value) && value[n] == ' ' {
				n++
			}
			return n
		}
	}
	return 0
}

// harmless reports whether a value gives nothing away: there is none, it is masked, or a parameter stands for it.
func harmless(value string) bool {
	switch value {
	case "", "null", "NULL", "None", "nil", "undefined", "true", "false", "True", "False", "?", "[REDACTED]", "***FILTERED***", "***PII_FILTERED***":
		return true
	}
	if strings.Trim(value, "*") == "" || strings.Trim(value, "•") == "" {
		return true
	}
	switch value[0] {
	case '*':
		rest := strings.TrimPrefix(value, Mask)
		return len(rest) <= 8 && rest != value && isName(rest)
	case '$':
		return len(value) > 1 && strings.Trim(value[1:], "0123456789") == ""
	case '%':
		return value == "%s" || strings.HasPrefix(value, "%(") && strings.HasSuffix(value, ")s") && isName(value[2:len(value)-2])
	case ':':
		return len(value) > 1 && isName(value[1:])
	}
	return false
}

// isName reports whether a text could be a name in a program.
func isName(text string) bool {
	for i := range len(text) {
		if !isWord(text[i]) && text[i] != '_' {
			return false
		}
	}
	return true
}

func isWord(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' }
