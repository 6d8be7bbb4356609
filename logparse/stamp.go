package logparse

import "time"

// Zone says how the zone of a Stamp is known.
type Zone uint8

// The ways.
const (
	NoZone  Zone = iota // not at all: Time is as it stands, taken for UTC
	Zoned               // it stands beside the time
	Assumed             // somebody stated it for the source
	Twice               // it was stated, and the clock was put back in that hour: the time may be one hour later
	Leapt               // it was stated, and the clock was put forward over that hour: no such time was on it
	Carried             // it is not the program's stamp, but the time at which a transport took the line
)

// String names it for people.
func (z Zone) String() string {
	switch z {
	case Zoned:
		return "zone in the log"
	case Assumed:
		return "zone as stated"
	case Twice:
		return "zone as stated; the hour came twice, this is its first"
	case Leapt:
		return "zone as stated, where the hour did not come"
	case Carried:
		return "time of the transport"
	default:
		return "zone not known"
	}
}

// Stamp is a time as it stands in a log. The zero Stamp is none.
type Stamp struct {
	Time time.Time // UTC
	Zone Zone
	// Short is a short name of a zone beside the time that means several zones, such as
	// CST. Zone is NoZone then, until one is stated that has this name.
	Short string
}

// ParseStamp reads the stamp that text begins with, and says how many bytes it takes; 0: none.
// These shapes are known, each with a fraction of a second behind a dot or comma or none, and
// with a zone (Z, +02, +0200, +02:00, UTC, CEST) or none:
//
//	2025-10-07 18:22:49.123 UTC   2025-10-07T18:22:49Z   2025/10/07 18:22:49
//	07/Oct/2025:18:22:49 +0000    07/Oct/2025 18:22:49   Tue Oct  7 18:22:49 2025
func ParseStamp(text []byte) (Stamp, int) {
	if len(text) < len("2006-01-02 15:04:05") {
		return Stamp{}, 0
	}
	switch c := text[0]; {
	case c >= '0' && c <= '9' && (text[4] == '-' || text[4] == '/'):
		return parseISO(text)
	case c >= '0' && c <= '9' && text[2] == '/':
		return parseCommon(text)
	case c >= 'F' && c <= 'W':
		return parseCtime(text)
	}
	return Stamp{}, 0
}

// Stamps reads the stamps of one log, most of which have the minute and the zone of the one before.
type Stamps struct {
	minute [len("2006-01-02 15:04:")]byte
	start  time.Time // of that minute
	zone   string    // as it stands, with the space before it
	stamp  Stamp     // the one that was read then
}

// Parse does what ParseStamp does.
func (s *Stamps) Parse(text []byte) (Stamp, int) {
	at := len(s.minute)
	if len(text) < at+2 || string(text[:at]) != string(s.minute[:]) {
		return s.anew(text)
	}
	second, ok := digits2(text[at:])
	if !ok || second > 59 {
		return s.anew(text)
	}
	at += 2
	nanos, n := parseFraction(text[at:])
	at += n
	end := at + len(s.zone)
	if len(text) < end || string(text[at:end]) != s.zone || len(s.zone) == 0 || len(text) > end && text[end] != ' ' {
		return s.anew(text)
	}
	stamp := s.stamp
	stamp.Time = s.start.Add(time.Duration(second)*time.Second + time.Duration(nanos))
	return stamp, end
}

// anew reads a stamp that is like none before.
func (s *Stamps) anew(text []byte) (Stamp, int) {
	stamp, n := ParseStamp(text)
	if n < len(s.minute)+2 || text[4] != '-' && text[4] != '/' {
		return stamp, n
	}
	nanos, fraction := parseFraction(text[19:])
	second, _ := digits2(text[17:])
	copy(s.minute[:], text)
	s.start = stamp.Time.Add(-time.Duration(second)*time.Second - time.Duration(nanos))
	if zone := text[19+fraction : n]; string(zone) != s.zone {
		s.zone = string(zone)
	}
	s.stamp = stamp
	return stamp, n
}

// ParseEpoch reads seconds since 1970, with a fraction or none, as log_line_prefix's %n writes them.
func ParseEpoch(text []byte) (Stamp, int) {
	seconds, n := int64(0), 0
	for n < len(text) && n < 11 && isDigit(text[n]) {
		seconds = seconds*10 + int64(text[n]-'0')
		n++
	}
	if n < 9 || n > 10 {
		return Stamp{}, 0
	}
	nanos, m := parseFraction(text[n:])
	return Stamp{Time: time.Unix(seconds, nanos).UTC(), Zone: Zoned}, n + m
}

// parseISO reads year, month and day first, with any of - and / between them.
func parseISO(text []byte) (Stamp, int) {
	year, ok1 := digits4(text)
	month, ok2 := digits2(text[5:])
	day, ok3 := digits2(text[8:])
	if !ok1 || !ok2 || !ok3 || text[7] != text[4] || (text[10] != ' ' && text[10] != 'T') {
		return Stamp{}, 0
	}
	return parseClock(text, 11, year, month, day)
}

// parseCommon reads what the common log format of web servers has.
func parseCommon(text []byte) (Stamp, int) {
	const least = len("02/Jan/2006:15:04:05")
	if len(text) < least || text[6] != '/' || (text[11] != ':' && text[11] != ' ') {
		return Stamp{}, 0
	}
	day, ok1 := digits2(text)
	month := monthOf(text[3:6])
	year, ok2 := digits4(text[7:])
	if !ok1 || !ok2 || month == 0 {
		return Stamp{}, 0
	}
	return parseClock(text, 12, year, month, day)
}

// parseCtime reads the day of the week first and the year last.
func parseCtime(text []byte) (Stamp, int) {
	const least = len("Mon Jan _2 15:04:05 2006")
	if len(text) < least || text[3] != ' ' || text[7] != ' ' || text[10] != ' ' || text[19] != ' ' {
		return Stamp{}, 0
	}
	day, ok1 := digits2(text[8:])
	if text[8] == ' ' && isDigit(text[9]) {
		day, ok1 = int(text[9]-'0'), true
	}
	year, ok2 := digits4(text[20:])
	month := monthOf(text[4:7])
	if !ok1 || !ok2 || month == 0 {
		return Stamp{}, 0
	}
	stamp, n := parseClock(text[:19], 11, year, month, day)
	if n == 0 {
		return Stamp{}, 0
	}
	return stamp, least
}

// parseClock reads the time of day at text[at:], a fraction and a zone.
func parseClock(text []byte, at, year, month, day int) (Stamp, int) {
	if len(text) < at+8 || text[at+2] != ':' || text[at+5] != ':' {
		return Stamp{}, 0
	}
	hour, ok1 := digits2(text[at:])
	minute, ok2 := digits2(text[at+3:])
	second, ok3 := digits2(text[at+6:])
	if !ok1 || !ok2 || !ok3 || hour > 23 || minute > 59 || second > 60 || !validDay(year, month, day) {
		return Stamp{}, 0
	}
	at += 8
	if at < len(text) && isDigit(text[at]) {
		return Stamp{}, 0
	}
	nanos, n := parseFraction(text[at:])
	at += n
	unix := civil(year, month, day)*86400 + int64(hour*3600+minute*60+second)
	zone := parseZone(text[at:])
	stamp := Stamp{Zone: NoZone, Short: zone.short}
	if zone.known {
		stamp.Zone, unix = Zoned, unix-int64(zone.offset)
	}
	stamp.Time = time.Unix(unix, nanos).UTC()
	return stamp, at + zone.length
}

// parseFraction reads a fraction of a second as nanoseconds.
func parseFraction(text []byte) (nanos int64, n int) {
	if len(text) < 2 || (text[0] != '.' && text[0] != ',') || !isDigit(text[1]) {
		return 0, 0
	}
	scale := int64(100_000_000)
	for n = 1; n < len(text) && isDigit(text[n]); n++ {
		nanos += int64(text[n]-'0') * scale
		scale /= 10
	}
	return nanos, n
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func digits2(text []byte) (int, bool) {
	a, b := text[0]-'0', text[1]-'0'
	return int(a)*10 + int(b), a <= 9 && b <= 9
}

func digits4(text []byte) (int, bool) {
	a, ok1 := digits2(text)
	b, ok2 := digits2(text[2:])
	return a*100 + b, ok1 && ok2
}

func monthOf(name []byte) int {
	const names = "JanFebMarAprMayJunJulAugSepOctNovDec"
	for i := 0; i < len(names); i += 3 {
		if string(name) == names[i:i+3] {
			return i/3 + 1
		}
	}
	return 0
}

func validDay(year, month, day int) bool {
	if year < 1900 || month < 1 || month > 12 || day < 1 || day > 31 {
		return false
	}
	switch month {
	case 4, 6, 9, 11:
		return day <= 30
	case 2:
		leap := year%4 == 0 && (year%100 != 0 || year%400 == 0)
		return day <= 28 || (leap && day == 29)
	}
	return true
}

// civil counts the days from 1970-01-01, in eras of 400 years that begin in March.
func civil(year, month, day int) int64 {
	y, m := int64(year), int64(month)
	if m <= 2 {
		y, m = y-1, m+12
	}
	era := y / 400
	if y < 0 {
		era = -1
	}
	ofEra := y - era*400
	ofYear := (153*(m-3)+2)/5 + int64(day) - 1
	return era*146097 + ofEra*365 + ofEra/4 - ofEra/100 + ofYear - 719468
}
