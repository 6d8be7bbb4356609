package xlsxfile

import "testing"

// TestKnownSerials holds dates that Excel itself shows for these numbers.
func TestKnownSerials(t *testing.T) {
	t.Parallel()
	const (
		dayZero  = "!is the day 0 January 1900 of Excel, which is no date"
		neverWas = "!is 29 February 1900 in Excel, a day that never was"
		negative = "!is negative, and no date in Excel"
		beyond   = "!is beyond the year 9999"
	)
	for _, c := range []struct {
		serial   float64
		kind     formatKind
		from1904 bool
		want     string
	}{
		{0, isDate, false, dayZero},
		{0.5, isDateTime, false, dayZero},
		{0.5, isTime, false, "12:00:00"},
		{0, isTime, false, "00:00:00"},
		{1, isDate, false, "1900-01-01"},
		{31, isDate, false, "1900-01-31"},
		{59, isDate, false, "1900-02-28"},
		{59.999999999, isDate, false, neverWas},
		{60, isDate, false, neverWas},
		{60.25, isDateTime, false, neverWas},
		{61, isDate, false, "1900-03-01"},
		{366, isDate, false, "1900-12-31"},
		{367, isDate, false, "1901-01-01"},
		{25569, isDate, false, "1970-01-01"},
		{36526, isDate, false, "2000-01-01"},
		{45306, isDate, false, "2024-01-15"},
		{45306.416666666664, isDateTime, false, "2024-01-15 10:00:00"},
		{45306, isDateTime, false, "2024-01-15 00:00:00"},
		{45306.416666666664, isDate, false, "2024-01-15 10:00:00"},
		{45306.416666666664, isTime, false, "2024-01-15 10:00:00"},
		{45306, isMoment, false, "2024-01-15"},
		{45306.5, isMoment, false, "2024-01-15 12:00:00"},
		{0.25, isMoment, false, "06:00:00"},
		{45292.524016203702, isDateTime, false, "2024-01-01 12:34:35"},
		{45292.999999999, isDateTime, false, "2024-01-02 00:00:00"},
		{0.52401620370370368, isTime, false, "12:34:35"},
		{0.52401677083333329, isTime, false, "12:34:35.049"},
		{-1, isDate, false, negative},
		{-0.5, isTime, false, negative},
		{2958465, isDate, false, "9999-12-31"},
		{2958465.75, isDateTime, false, "9999-12-31 18:00:00"},
		{2958465.9999999999, isDateTime, false, beyond},
		{2958466, isDate, false, beyond},
		{1e300, isDate, false, beyond},
		{0, isDate, true, "1904-01-01"},
		{1, isDate, true, "1904-01-02"},
		{59, isDate, true, "1904-02-29"},
		{60, isDate, true, "1904-03-01"},
		{43844, isDate, true, "2024-01-15"},
		{-1, isDate, true, negative},
		{2957003, isDate, true, "9999-12-31"},
		{2957004, isDate, true, beyond},
		{1.5, isElapsed, false, "36:00:00"},
		{1.1041666666666667, isElapsed, false, "26:30:00"},
		{-0.0625, isElapsed, false, "-01:30:00"},
		{0.000011574074074074073, isElapsed, false, "00:00:01"},
		{100, isElapsed, true, "2400:00:00"},
		{1e9, isElapsed, false, "!is beyond any time that has elapsed"},
	} {
		text, reason := appendSerial([]byte("kept "), c.serial, c.kind, c.from1904)
		got := string(text[len("kept "):])
		if reason != "" {
			got = "!" + reason
		}
		if got != c.want {
			t.Errorf("%v as kind %d (from 1904: %v) is %q, expected %q", c.serial, c.kind, c.from1904, got, c.want)
		}
	}
}

func TestNumberFormats(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]formatKind{
		"General":                     isNumber,
		"GENERAL":                     isNumber,
		"0":                           isNumber,
		"0.00%":                       isNumber,
		"0.00E+00":                    isNumber,
		"##0.0E+0":                    isNumber,
		"# ??/??":                     isNumber,
		"@":                           isNumber,
		";;;":                         isNumber,
		"":                            isNumber,
		`#,##0.00 "days"`:             isNumber,
		`0 \d`:                        isNumber,
		`0_d`:                         isNumber,
		`0*d`:                         isNumber,
		"0.00 USD":                    isNumber,
		`"dd.mm.yyyy"0`:               isNumber,
		"[Red]#,##0;[Blue]-#,##0":     isNumber,
		`[$€-407] #,##0.00`:           isNumber,
		"[>=1000]0.0,\"k\";0":         isNumber,
		"General;[Red]-General":       isNumber,
		"yyyy-mm-dd":                  isDate,
		"YYYY\\-MM\\-DD":              isDate,
		"d":                           isDate,
		"mm":                          isDate,
		"mmm":                         isDate,
		"mmmm yy":                     isDate,
		`m"月"d"日"`:                    isDate,
		"dd/mm/yyyy;@":                isDate,
		"[$-409]d-mmm-yy":             isDate,
		"[$-F800]dddd, mmmm dd, yyyy": isDate,
		"[$-411]ggge\"年\"m\"月\"":      isDate,
		"e/m/d":                       isDate,
		"d/m/bbbb":                    isDate,
		"[Red]yyyy":                   isDate,
		"h:mm":                        isTime,
		"hh:mm:ss":                    isTime,
		"mm:ss":                       isTime,
		"mm:ss.0":                     isTime,
		"h AM/PM":                     isTime,
		"h:mm a/p":                    isTime,
		"[$-F400]h:mm:ss AM/PM":       isTime,
		`上午/下午h"时"mm"分"`:              isTime,
		"ss":                          isTime,
		"ss.000":                      isTime,
		"yyyy-mm-dd hh:mm":            isDateTime,
		"m/d/yy h:mm":                 isDateTime,
		"hh:mm dd.mm.":                isDateTime,
		"mm h":                        isDateTime,
		`yyyy-mm-dd"T"hh:mm:ss.000`:   isDateTime,
		"[<1]h:mm;yyyy-mm-dd":         isDateTime,
		"[h]:mm":                      isElapsed,
		"[HH]:MM:SS":                  isElapsed,
		"[mm]:ss":                     isElapsed,
		"[ss].00":                     isElapsed,
		"[s]":                         isElapsed,
		`"unclosed yyyy`:              isNumber,
		`yyyy\`:                       isDate,
		"[h":                          isNumber,
	} {
		if got, _ := classify(code); got != want {
			t.Errorf("format %s is of kind %d, expected %d", code, got, want)
		}
	}
	for code, want := range map[string]int{"00000": 5, "0": 1, "0.00": 1, "#,##0": 1, "000-00": 5, "##": 0} {
		if _, got := classify(code); got != want {
			t.Errorf("format %s always shows %d digits, expected %d", code, got, want)
		}
	}
	for id, want := range map[int]formatKind{
		0: isNumber, 4: isNumber, 13: isNumber, 14: isDate, 17: isDate, 18: isTime, 21: isTime, 22: isDateTime, 23: isNumber,
		27: isDate, 32: isTime, 34: isMoment, 36: isDate, 37: isNumber, 44: isNumber, 45: isTime, 46: isElapsed, 47: isTime,
		48: isNumber, 49: isNumber, 50: isDate, 55: isMoment, 58: isDate, 59: isNumber, 71: isDate, 77: isDateTime, 79: isElapsed, 164: isNumber,
	} {
		if got := newNumberFormat(id, nil).kind; got != want {
			t.Errorf("format %d is of kind %d, expected %d", id, got, want)
		}
	}
	if got := newNumberFormat(14, map[int]string{14: "0.0"}).kind; got != isNumber {
		t.Errorf("a format that the book spells out is of kind %d", got)
	}
}
