package secrets

import (
	"strings"
	"testing"
)

const (
	flow  = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
	token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"
)

// TestText: each text as it stands in a log, and as it is shown. « and » stand around what is a secret.
func TestText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{'host': 'x', 'authorization': 'Bearer «` + token + `»', 'cookie': '«sid=abc; theme=dark»', 'x-flow-id': '` + flow + `'}`,
		`{"headers": {"Authorization": "Basic «dXNlcjpodW50ZXIy»", "X-Api-Key": "«0123456789»"}, "flow_id": "` + flow + `"}`,
		`{"log": "{\"password\": \"«a b, c»\", \"id\": 7}"}`,
		`[(b'host', b'x'), (b'authorization', b'Bearer «abcdef0123»'), (b'cookie', b'«a=b»')]`,
		`[["Cookie", "«a=b»"], ["Host", "x"]]`,
		"Authorization: Bearer «abc.def-1»\nHost: x",
		"authorization=Bearer «abc» next",
		"Cookie: «a=b; c=d; e=f» | User: 7",
		"set-cookie: «sid=abc; Path=/; HttpOnly»",
		"sent Bearer «" + token + "» to the host",
		"token " + "«" + token + "» in prose",
		"DSN host=db user=app password=«hunter2» dbname=shop",
		`DSN host=db password='«it\'s, here»' dbname=shop`,
		`DSN host=db password=«a\ b» dbname=shop`,
		"DSN password=«a,b)c&d;e», user=app",
		"Server=db;Uid=app;Pwd=«hunter2»;Database=shop",
		"jdbc:postgresql://db/shop?user=app&password=«hunter2»&ssl=true",
		"postgresql+asyncpg://app:«hunter2»@db:5432/shop?sslmode=require",
		"postgres://app:«a/b?c»@db/shop and postgres://app:«p@ss»@db/shop",
		"redis://:«hunter2»@cache:6379/0",
		"PGPASSWORD=«hunter2» psql -h db",
		"POSTGRES_PASSWORD: «hunter2»",
		"psql --password «hunter2» --host db",
		`ALTER ROLE app WITH LOGIN PASSWORD '«it''s»' VALID UNTIL 'infinity'`,
		`create user app encrypted password '«md5` + strings.Repeat("0a", 16) + `»'`,
		"UPDATE users SET password_hash = '«abc»' WHERE id = '" + flow + "'",
		"INSERT INTO users VALUES (1, '«$2b$12$" + strings.Repeat("a", 53) + "»')",
		"VALUES ('«SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0$c3RvcmVka2V5:c2VydmVya2V5»')",
		"DETAIL:  Key (token)=(«abcdef») already exists.",
		"DETAIL:  Key (user_id, api_token)=(«7, abcdef») already exists.",
		"key «sk-" + strings.Repeat("a1", 16) + "», «ghp_" + strings.Repeat("b", 36) + "», «AKIA" + strings.Repeat("Z", 16) + "»",
		"https://api/x?access_token=«abc»&page=2",
		"{'DB Password': '«hunter2»', 'Server Name': 'OG-DC-SRV01'}",
		`{"cookies": {«"a": "b", "c": {"d": 1}»}, "id": 1}`,
		"-----BEGIN RSA PRIVATE KEY-----«\nMIIE\nabc\n»-----END RSA PRIVATE KEY-----",
		"aws_secret_access_key = «wJalrXUtnFEMI/K7MDENG»",
		"INSERT INTO users (id, \"password\", note) VALUES (7, '«it''s, (me»', 'postgres://a:«b»@c'), (8, NULL, 'x'), (9, E'«a»', f(1, 'b')), ($1, $2, $3)",
		"insert into app.users(email,api_key)values('a@b.c',«77»),('b',DEFAULT) returning id, password",
		"[SQL: INSERT INTO users (id, password_hash) VALUES ($1::UUID, $2)]\n[parameters: ('" + flow + "', '«hunter2»')]",
		"INSERT INTO users (a, password) VALUES (1, '«never ends",
		"password='«never ends",
		"refreshToken=>'«abc»'",
		"CREATE USER a\n\tPASSWORD\n\t'«b»'", "CREATE ROLE a LOGIN PASSWORD $x$«b»$x$ VALID UNTIL '2030-01-01'", "ALTER ROLE a PASSWORD U&'«b»'", "ALTER ROLE a PASSWORD E'«b\\'c»'",
		"ALTER ROLE a VALID UNTIL '2030-01-01'; ALTER ROLE b PASSWORDD '«c»'", "ALTER ROLE a PASSWORDD '«b»'", "create user a identified by '«b»'; SELECT 'c'", "DO $$ BEGIN EXECUTE 'ALTER ROLE a PASSWORD ''«b»'''; END $$",
		"unterminated quoted string at or near \"«'b\"c»\"", "COPY a FROM PROGRAM 'curl -u user:«b» http://c'", "curl --user a:«b» c",
		"UPDATE a SET (b, password) = ('c', '«d»') WHERE id = 1", "UPDATE a SET (token, b)=ROW('«d»', 'c')", "INSERT INTO a (id, api_key, note) SELECT 1, '«b»', 'c' FROM d",
		"SELECT crypt('«a»', gen_salt('bf'))", "select pgp_sym_encrypt('data', '«a»')", "SELECT set_config('app.secret_key', '«a»', false)",
		"UPDATE a SET password = crypt(«'b', gen_salt('bf')») WHERE id = 1", "UPDATE a SET password = md5(«'b' || 'salt'»), c = 'd'",
		"DELETE FROM a WHERE token IN («'b', 'c'») OR token NOT IN(«'b'») AND c IN ('d')", "WHERE api_key LIKE '«b%»'", "WHERE token <> '«b»' AND token != '«c»'", "WHERE token = ANY («'{b,c}'»)",
	} {
		raw := strings.NewReplacer("«", "", "»", "").Replace(text)
		want := text
		for {
			before, rest, found := strings.Cut(want, "«")
			if !found {
				break
			}
			_, behind, _ := strings.Cut(rest, "»")
			want = before + Mask + behind
		}
		if got := Text(raw); got != want {
			t.Errorf("%q\ngave %q\nwant %q", raw, got, want)
		}
		if again := Text(Text(raw)); again != Text(raw) {
			t.Errorf("%q changes again to %q", Text(raw), again)
		}
	}
}

// TestTextStays: what is no secret, and what others have masked.
func TestTextStays(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"🔍 Extracted - Client: ***11111111, Engagement: ***22222222, User: ***4f2a91c7, Flow: ***d2e1f0aa",
		"🔍 Final context: RequestContext(client=" + flow + ", engagement=" + flow + ", user=None, flow=None)",
		"✅ Linked master flow " + flow + " to data import " + flow,
		"Key (id)=(" + flow + ") already exists.",
		"📊 First item keys: ['Server Name', 'Auth', 'Password', 'Token', 'Secret Key', 'Owner']",
		"{'Auth': 'kerberos basic', 'Session': 'ssh', 'Key': 'A-17', 'Author': 'x'}",
		`{"password": null, "token": "", "secret": "[REDACTED]", "cookie": "***", "api_key": "***4f2a91c7", "credentials": "***FILTERED***"}`,
		"password=[REDACTED]s basic", "passwords differ; the token was refused; cookies are off",
		"UPDATE users SET password_hash = $1 WHERE id = $2", "SET token = %(token)s, secret = %s, passwd = :passwd, api_key = ?",
		"usage: 120 total_tokens=88 max_tokens: 4000, token_type=bearer, next_page_token=abc",
		"http://host:8000/api/v1/data-import/store-import?mail=a@b.c", "PWD=/srv/app OLDPWD=/root",
		"Bearer authentication failed; Basic realm", "'allow_credentials': True", "session_id=68e5.1a2b", "sha256:" + strings.Repeat("0a", 32),
		"md5sum " + strings.Repeat("0a", 16), "2025-10-07 18:22:49.123 UTC [71] app@shop LOG:  duration: 0.1 ms",
		"INSERT INTO a (id, name) VALUES (1, 'b')", "INSERT INTO a (password) SELECT 1", "INSERT INTO a (password) VALUES (NULL), ('***')", "insert into a (", "insert into a (token) values (",
		"WHERE token IN (SELECT token FROM b) AND c IN ('d')", "CREATE USER a VALID UNTIL '2030-01-01'", "ALTER ROLE a SET search_path = 'b'", "ALTER USER MAPPING FOR a SERVER b OPTIONS (user 'c')",
		"SELECT set_config('search_path', 'a', false)", "create user-facing text's", "UPDATE a SET (b, c) = ('d', 'e')", "docker run -u root a", "PASSWORD ''", "password <b> 'c'",
		"token=***", "postgres://app:***@db/shop", "a ***@b", "eyJ", "$5$", "Key (", "password", "password=", "--token", "://", ":", "",
	} {
		if got := Text(text); got != text {
			t.Errorf("%q gave %q", text, got)
		}
	}
}

func TestField(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, value, want string }{
		{"password", "hunter2", Mask},
		{"userPassword", "a b", Mask},
		{"password_hash", "abc", Mask},
		{"Authorization", "Bearer abc", "Bearer ***"},
		{"authorization", "Bearer ***", "Bearer ***"},
		{"authorization", "abc", Mask},
		{"X-CSRF-Token", "abc", Mask},
		{"Set-Cookie", "a=b", Mask},
		{"client_secret", "***4f2a91c7", "***4f2a91c7"},
		{"secret", "", ""},
		{"flow_id", flow, flow},
		{"url", "postgres://a:b@c/d", "postgres://a:***@c/d"},
		{"primary_key", "id", "id"},
		{"author", "x", "x"},
		{"Auth", "kerberos basic", "kerberos basic"},
	} {
		if got := Field(test.name, test.value); got != test.want {
			t.Errorf("%s=%q gave %q, want %q", test.name, test.value, got, test.want)
		}
	}
}

func TestTextAllocatesNothing(t *testing.T) {
	text := "✅ Stored 5 records for import " + flow + ", token_type=bearer, name: 'OG-DC-SRV01'"
	if n := testing.AllocsPerRun(100, func() { _ = Text(text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzText: what is masked stays as it is, a secret behind a clear name does not come out, and ids stay.
func FuzzText(f *testing.F) {
	for _, text := range []string{
		`{'authorization': 'Bearer abc', 'cookie': "a=b; c"}`, "postgres://a:b/c@d@e/f", "Key (token)=(a(b)c)", "password=a,b;c&d='e",
		"eyJhbGciOi.eyJzdWIiOiI.x", "--token 'a'", "-----BEGIN PRIVATE KEY-----", `\"secret\": \"a\"`, "cookie: a; b; ***", "[(b'token', b'c')]",
		"password : [REDACTED]s", "insert into a (token, b) values ('a', 1), (b", "insert into (token )vAlues(\"00000", "insert into a(b,token) values (f('x',1), [2])[parameters: ('a', 'b')]", "authorization: basic basic", "PASSWORD E'a'", "$2b$12$abc",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once := Text(text)
		if twice := Text(once); twice != once {
			t.Errorf("%q gave %q, then %q", text, once, twice)
		}
		if Field("password", Field("password", text)) != Field("password", text) {
			t.Errorf("the field %q changes again", text)
		}
		behind := Text(text + "\n{\"" + `password": "s3cr3t-7781"}`)
		if !strings.HasSuffix(text, `\`) && strings.Contains(behind, "s3cr3t-7781") && !strings.Contains(text, "s3cr3t") {
			t.Errorf("%q: %q", text, behind)
		}
		if line := "import " + flow + " " + text; !strings.HasPrefix(Text(line), "import "+flow) {
			t.Errorf("%q: %q", line, Text(line))
		}
	})
}
