package xlsxfile

import (
	"strings"
	"testing"
	"testing/iotest"
)

// scanAll reads a part to its end, with as little at a time as a reader can give.
func scanAll(part string) (texts []string, err error) {
	s := newScanner(iotest.OneByteReader(strings.NewReader(part)))
	for {
		found, err := s.next()
		if err != nil || found == tokenEnd {
			return texts, err
		}
		if found == tokenText {
			texts = append(texts, string(s.text))
		}
	}
}

func TestScannerRefuses(t *testing.T) {
	t.Parallel()
	for part, want := range map[string]string{
		"":                               "the part is empty",
		"<":                              "ends within a tag",
		"<a":                             "ends within a tag",
		"<a>":                            "ends within <a>",
		"<a><b>":                         "ends within <b>",
		"<a><b></a></b>":                 "</a> stands where </b> is due",
		"<a></b>":                        "</b> stands where </a> is due",
		"<a/></a>":                       "</a> closes nothing",
		"<a/><b/>":                       "<b> stands behind the root element",
		"<a/>text":                       "text outside of the root element",
		"text<a/>":                       "text outside of the root element",
		"<a><!-- ":                       "ends within <a>",
		"<a><![CDATA[ ]]</a>":            "ends within <a>",
		"<a><?pi </a>":                   "ends within <a>",
		"<!DOCTYPE a [<!ENTITY b 'c'>]>": "a declaration, which this kind of file does not have",
		"<a>1 < 2</a>":                   "a < that begins no tag",
		"<a><1/></a>":                    "a < that begins no tag",
		"<a b/>":                         "a tag with something that is no attribute",
		"<a b=1/>":                       "attribute b without quotes",
		"<a b='1'c='2'/>":                "no space before an attribute",
		"<a b='1' b='2'/>":               "attribute b stands twice",
		"<a b='<'/>":                     "attribute b holds the character U+003C",
		"<a b='\x01'/>":                  "attribute b holds the character U+0001",
		"<a b='1>":                       "ends within a tag",
		"<a / >":                         "a / within a tag",
		strings.Repeat("<a>", 200):       "more than 128 elements within each other",
	} {
		if _, err := scanAll(part); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: error %v, expected %s", part, err, want)
		}
	}
}

func TestScannerTakes(t *testing.T) {
	t.Parallel()
	for part, want := range map[string]string{
		"\xef\xbb\xbf<?xml version='1.0'?>\n<a>b</a>\n":        "b",
		"<a x = \"1>2\" y='\"'>b</a >":                         "b",
		"<a>b<!-- <c> -->d<![CDATA[<&>]]]]>e<?f?>g</a>":        "b|d|<&>]]|e|g",
		"<a>&lt;&#65;&#x42;&amp;amp;\r\n&apos;\r</a><!--->-->": "<AB&amp;\n'\n",
		"<a><b/><c></c></a>":                                   "",
	} {
		texts, err := scanAll(part)
		if got := strings.Join(texts, "|"); err != nil || got != want {
			t.Errorf("%s: %q, error %v; expected %q", part, got, err, want)
		}
	}
}
