package main

import "regexp"

// masked stands in the place of a secret.
const masked = "***"

// maskSecrets gives the arguments of a command as they may be written down: without
// the passwords of connection strings, as keywords or in a URI, and of flags.
func maskSecrets(argv []string) []string {
	var (
		inURI     = regexp.MustCompile(`(?s)([A-Za-z][A-Za-z0-9+.-]*://[^:@/?]*):.*@`)
		parameter = regexp.MustCompile(`(?i)([?&][a-z]*(?:password|passwd|secret)=)[^&#]*`)
		keyword   = regexp.MustCompile(`(?is)((?:^|[^?&a-z])[a-z]*(?:password|passwd|secret)\s*=\s*)('(?:\\.|[^'\\])*'?|(?:\\.|[^\s\\'])(?:\\.|[^\s\\])*)`)
		flag      = regexp.MustCompile(`(?i)^-{1,2}[a-z-]*(?:password|passwd|secret)$`)
	)
	out := make([]string, len(argv))
	for i, arg := range argv {
		if i > 0 && flag.MatchString(argv[i-1]) {
			out[i] = masked
			continue
		}
		arg = inURI.ReplaceAllString(arg, "$1:"+masked+"@")
		arg = parameter.ReplaceAllString(arg, "${1}"+masked)
		out[i] = keyword.ReplaceAllString(arg, "${1}"+masked)
	}
	return out
}
