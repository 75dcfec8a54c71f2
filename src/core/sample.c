#include "core/sample.h"

#include "base/clock.h"
#include "fmt/csv_write.h"

#define BUFFER ((size_t)256 << 10)
#define ROW_MAX 4096 /* a row is shorter than this */

#define NAMES 8

/* People of one language: as they write themselves and as their account is
 * spelled, in ASCII letters only. */
struct people {
    struct {
        const char *own, *ascii;
    } first[NAMES], last[NAMES];
    const char *dial;
    int offset_min; /* their clock */
    const char *domain;
};

static const struct people peoples[] = {
    {{{"James", "james"},
      {"Olivia", "olivia"},
      {"Liam", "liam"},
      {"Charlotte", "charlotte"},
      {"Noah", "noah"},
      {"Mary Ann", "maryann"},
      {"Ethan", "ethan"},
      {"Grace", "grace"}},
     {{"Smith", "smith"},
      {"O'Connor", "oconnor"},
      {"Johnson", "johnson"},
      {"Taylor-Reed", "taylorreed"},
      {"King, Jr.", "king"},
      {"Williams", "williams"},
      {"MacLeod", "macleod"},
      {"Brown", "brown"}},
     "+1",
     -300,
     "north.example"},
    {{{"Kai", "kai"},
      {"Leilani", "leilani"},
      {"Keanu", "keanu"},
      {"Ryan \"Ace\"", "ryan"},
      {"Emma", "emma"},
      {"Mason", "mason"},
      {"Ava", "ava"},
      {"Logan", "logan"}},
     {{"Kealoha", "kealoha"},
      {"Kahananui", "kahananui"},
      {"Lee", "lee"},
      {"Nakamura", "nakamura"},
      {"Souza", "souza"},
      {"Clark", "clark"},
      {"Ka\xca\xbbuhane", "kauhane"},
      {"Young", "young"}},
     "+1 808",
     -600,
     "pacific.example"},
    {{{"Jürgen", "juergen"},
      {"Käthe", "kaethe"},
      {"Sören", "soeren"},
      {"Anneliese", "anneliese"},
      {"Björn", "bjoern"},
      {"Lieselotte", "lilo"},
      {"Günther", "guenther"},
      {"Zoë", "zoe"}},
     {{"Müller", "mueller"},
      {"Weiß", "weiss"},
      {"von der Höhe", "vonderhoehe"},
      {"Schröder", "schroeder"},
      {"Großmann", "grossmann"},
      {"Bäcker", "baecker"},
      {"Krüger", "krueger"},
      {"Voß", "voss"}},
     "+49",
     60,
     "rhein.example"},
    {{{"François", "francois"},
      {"Éléonore", "eleonore"},
      {"Noël", "noel"},
      {"Chloé", "chloe"},
      {"Jérôme", "jerome"},
      {"Anaïs", "anais"},
      {"Maël", "mael"},
      {"Océane", "oceane"}},
     {{"Lefèvre", "lefevre"},
      {"D’Aubigné", "daubigne"},
      {"Bélanger", "belanger"},
      {"Guérin", "guerin"},
      {"Bœuf", "boeuf"},
      {"Desprès", "despres"},
      {"Fauré", "faure"},
      {"L'Hôpital", "lhopital"}},
     "+33",
     60,
     "seine.example"},
    {{{"José María", "josemaria"},
      {"Íñigo", "inigo"},
      {"Begoña", "begona"},
      {"Lucía", "lucia"},
      {"Andrés", "andres"},
      {"Ximena", "ximena"},
      {"Ramón", "ramon"},
      {"Inés", "ines"}},
     {{"Núñez", "nunez"},
      {"García Márquez", "garciamarquez"},
      {"Ibáñez", "ibanez"},
      {"Peña", "pena"},
      {"Güell", "guell"},
      {"Muñoz", "munoz"},
      {"de la Cruz", "delacruz"},
      {"Ordóñez", "ordonez"}},
     "+52",
     -360,
     "sierra.example"},
    {{{"João", "joao"},
      {"Conceição", "conceicao"},
      {"Simão", "simao"},
      {"Inês", "ines"},
      {"Antônio", "antonio"},
      {"Luíza", "luiza"},
      {"Flávio", "flavio"},
      {"Thaís", "thais"}},
     {{"Gonçalves", "goncalves"},
      {"Assunção", "assuncao"},
      {"Araújo", "araujo"},
      {"Magalhães", "magalhaes"},
      {"Leitão", "leitao"},
      {"Simões", "simoes"},
      {"Guimarães", "guimaraes"},
      {"Brandão", "brandao"}},
     "+55",
     -180,
     "planalto.example"},
    {{{"Łukasz", "lukasz"},
      {"Zdzisław", "zdzislaw"},
      {"Grażyna", "grazyna"},
      {"Bożena", "bozena"},
      {"Michał", "michal"},
      {"Jagoda", "jagoda"},
      {"Święcisław", "swieck"},
      {"Agnieszka", "agnieszka"}},
     {{"Żółć", "zolc"},
      {"Wiśniewski", "wisniewski"},
      {"Dąbrowska", "dabrowska"},
      {"Szczęsny", "szczesny"},
      {"Gołąb", "golab"},
      {"Kępiński", "kepinski"},
      {"Źródło", "zrodlo"},
      {"Jabłoński", "jablonski"}},
     "+48",
     120,
     "wisla.example"},
    {{{"Åsa", "asa"},
      {"Sørine", "sorine"},
      {"Ægir", "aegir"},
      {"Þórdís", "thordis"},
      {"Märta", "marta"},
      {"Øyvind", "oyvind"},
      {"Guðrún", "gudrun"},
      {"Håkon", "hakon"}},
     {{"Ångström", "angstrom"},
      {"Bjørnsson", "bjornsson"},
      {"Sæmundsdóttir", "saemunds"},
      {"Öhman", "ohman"},
      {"Kjær", "kjaer"},
      {"Strømgren", "stromgren"},
      {"Þorvaldsson", "thorvaldsson"},
      {"Lindqvist", "lindqvist"}},
     "+46",
     60,
     "fjord.example"},
    {{{"Nguyễn", "nguyen"},
      {"Thị Hồng", "thihong"},
      {"Đức", "duc"},
      {"Phương", "phuong"},
      {"Quỳnh", "quynh"},
      {"Tuấn", "tuan"},
      {"Hạnh", "hanh"},
      {"Bảo", "bao"}},
     {{"Trần", "tran"},
      {"Lê", "le"},
      {"Phạm", "pham"},
      {"Huỳnh", "huynh"},
      {"Đặng", "dang"},
      {"Bùi", "bui"},
      {"Đỗ", "do"},
      {"Vũ", "vu"}},
     "+84",
     420,
     "mekong.example"},
    {{{"Владимир", "vladimir"},
      {"Наталья", "natalya"},
      {"Фёдор", "fyodor"},
      {"Ольга", "olga"},
      {"Їжак", "yizhak"},
      {"Љубица", "ljubica"},
      {"Юлия", "yulia"},
      {"Георги", "georgi"}},
     {{"Кузнецов", "kuznetsov"},
      {"Щербакова", "shcherbakova"},
      {"Шевченко", "shevchenko"},
      {"Ђорђевић", "djordjevic"},
      {"Иванова", "ivanova"},
      {"Соловьёв", "solovyov"},
      {"Петров", "petrov"},
      {"Цветкова", "tsvetkova"}},
     "+380",
     180,
     "dnipro.example"},
    {{{"Αλέξανδρος", "alexandros"},
      {"Ελένη", "eleni"},
      {"Γιώργος", "giorgos"},
      {"Μαρία", "maria"},
      {"Οδυσσεύς", "odysseus"},
      {"Ζωή", "zoi"},
      {"Χρήστος", "christos"},
      {"Ίρις", "iris"}},
     {{"Παπαδόπουλος", "papadopoulos"},
      {"Αθανασίου", "athanasiou"},
      {"Ξενάκης", "xenakis"},
      {"Σαμαρά", "samara"},
      {"Θεοδωράκης", "theodorakis"},
      {"Λύκος", "lykos"},
      {"Βέμπο", "vembo"},
      {"Ψαρρά", "psarra"}},
     "+30",
     120,
     "aegean.example"},
    {{{"محمد", "mohammed"},
      {"فاطمة", "fatima"},
      {"عبد الله", "abdullah"},
      {"ليلى", "layla"},
      {"يوسف", "yusuf"},
      {"نور", "nour"},
      {"خالد", "khalid"},
      {"شیرین", "shirin"}},
     {{"الحسيني", "alhusseini"},
      {"المصري", "almasri"},
      {"حداد", "haddad"},
      {"بن سعيد", "binsaid"},
      {"النجار", "alnajjar"},
      {"رضایی", "rezaei"},
      {"السوري", "alsouri"},
      {"قاسم", "qasim"}},
     "+971",
     240,
     "oasis.example"},
    {{{"שלמה", "shlomo"},
      {"רבקה", "rivka"},
      {"נועה", "noa"},
      {"יצחק", "yitzhak"},
      {"תמר", "tamar"},
      {"אבי", "avi"},
      {"מרים", "miriam"},
      {"דוד", "david"}},
     {{"כהן", "cohen"},
      {"לוי", "levi"},
      {"מזרחי", "mizrahi"},
      {"בן־דוד", "bendavid"},
      {"פרץ", "peretz"},
      {"ביטון", "biton"},
      {"אזולאי", "azoulay"},
      {"שפירא", "shapira"}},
     "+972",
     120,
     "carmel.example"},
    {{{"伟", "wei"},
      {"秀英", "xiuying"},
      {"建国", "jianguo"},
      {"丽", "li"},
      {"子轩", "zixuan"},
      {"美玲", "meiling"},
      {"志明", "zhiming"},
      {"𠮷", "ji"}},
     {{"王", "wang"},
      {"李", "li"},
      {"張", "zhang"},
      {"欧阳", "ouyang"},
      {"陳", "chen"},
      {"刘", "liu"},
      {"諸葛", "zhuge"},
      {"赵", "zhao"}},
     "+86",
     480,
     "yangtze.example"},
    {{{"さくら", "sakura"},
      {"健太", "kenta"},
      {"ユキ", "yuki"},
      {"陽子", "yoko"},
      {"ハルト", "haruto"},
      {"美咲", "misaki"},
      {"大輔", "daisuke"},
      {"あおい", "aoi"}},
     {{"佐藤", "sato"},
      {"鈴木", "suzuki"},
      {"高橋", "takahashi"},
      {"渡邊", "watanabe"},
      {"サイトウ", "saito"},
      {"小林", "kobayashi"},
      {"伊藤", "ito"},
      {"髙木", "takagi"}},
     "+81",
     540,
     "sakura.example"},
    {{{"민준", "minjun"},
      {"서연", "seoyeon"},
      {"지훈", "jihun"},
      {"하은", "haeun"},
      {"도윤", "doyun"},
      {"수빈", "subin"},
      {"예진", "yejin"},
      {"현우", "hyeonu"}},
     {{"김", "kim"},
      {"이", "yi"},
      {"박", "park"},
      {"최", "choe"},
      {"정", "jeong"},
      {"남궁", "namgung"},
      {"황보", "hwangbo"},
      {"윤", "yun"}},
     "+82",
     540,
     "hangang.example"},
    {{{"प्रिया", "priya"},
      {"अर्जुन", "arjun"},
      {"कृष्णा", "krishna"},
      {"दीपिका", "deepika"},
      {"राजेश", "rajesh"},
      {"श्रुति", "shruti"},
      {"விஜய்", "vijay"},
      {"অনিতা", "anita"}},
     {{"शर्मा", "sharma"},
      {"पटेल", "patel"},
      {"सिंह", "singh"},
      {"चट्टोपाध्याय", "chatterjee"},
      {"गुप्ता", "gupta"},
      {"अय्यर", "iyer"},
      {"மூர்த்தி", "murthy"},
      {"দাস", "das"}},
     "+91",
     330,
     "ganga.example"},
    {{{"สมชาย", "somchai"},
      {"อรุณี", "arunee"},
      {"กิตติ", "kitti"},
      {"มาลี", "malee"},
      {"ณัฐพล", "nattapon"},
      {"ปิยะ", "piya"},
      {"ชัย", "chai"},
      {"ศิริพร", "siriporn"}},
     {{"ใจดี", "jaidee"},
      {"รัตนกุล", "rattanakul"},
      {"สุขสวัสดิ์", "suksawat"},
      {"วงศ์ทอง", "wongthong"},
      {"ศรีสุข", "srisuk"},
      {"แก้ว", "kaew"},
      {"บุญมี", "boonmee"},
      {"ทองดี", "thongdee"}},
     "+66",
     420,
     "siam.example"},
    {{{"Wiremu", "wiremu"},
      {"Aroha", "aroha"},
      {"Tāne", "tane"},
      {"Mārama", "marama"},
      {"Tevita", "tevita"},
      {"Ngaire", "ngaire"},
      {"Sione", "sione"},
      {"Hēmi", "hemi"}},
     {{"Ngata", "ngata"},
      {"Pōtae", "potae"},
      {"Tūhoe", "tuhoe"},
      {"Paraone", "paraone"},
      {"Fakatava", "fakatava"},
      {"Tāwhiri", "tawhiri"},
      {"Parata", "parata"},
      {"Hēnare", "henare"}},
     "+64",
     780,
     "tonga.example"},
    {{{"Miriama", "miriama"},
      {"አበበ", "abebe"},
      {"Chukwuemeka", "emeka"},
      {"Oluwaṣeun", "oluwaseun"},
      {"გიორგი", "giorgi"},
      {"Նարե", "nare"},
      {"Γ. Ñandú", "nandu"},
      {"Zanele", "zanele"}},
     {{"ተስፋዬ", "tesfaye"},
      {"Okonkwo", "okonkwo"},
      {"Adébáyọ̀", "adebayo"},
      {"Dlamini", "dlamini"},
      {"ბერიძე", "beridze"},
      {"Պետրոսյան", "petrosyan"},
      {"İnönü", "inonu"},
      {"Yılmaz", "yilmaz"}},
     "+234",
     60,
     "savanna.example"},
};

/* Offsets that people away from home send. */
static const int16_t offsets[] = {0,    330, 345, -210, -600, -720, 840,
                                  765,  570, 525, -570, 60,   120,  -300,
                                  -480, 480, 540, 210,  1439, -1439};

const struct sample_manager sample_managers[] = {
    {"jane.doe", "Jane Doe", "jane.doe@example.com"},
    {"jim.smith", "Jim Smith", "jim.smith@example.com"},
    {"alison.ferguso", "Alison Ferguso", "alison.ferguso@example.com"},
    {"thomas.edison", "Thomas Edison", "thomas.edison@example.com"},
    {"ada.lovelace", "Ada Lovelace", "ada.lovelace@example.com"},
    {"grace.hopper", "Grace Hopper", "grace.hopper@example.com"},
    {"alan.turing", "Alan Turing", "alan.turing@example.com"},
    {"marie.curie", "Marie Skłodowska-Curie", "marie.curie@example.com"},
    {"emmy.noether", "Emmy Noether", "emmy.noether@example.com"},
    {"kurt.goedel", "Kurt Gödel", "kurt.goedel@example.com"},
    {"sofia.k", "Софья Ковалевская", "sofia.k@example.com"},
    {"hypatia", "Ὑπατία", "hypatia@example.com"},
    {"al.khwarizmi", "محمد بن موسى الخوارزمي", "al.khwarizmi@example.com"},
    {"seki.takakazu", "関孝和", "seki.takakazu@example.com"},
    {"zu.chongzhi", "祖冲之", "zu.chongzhi@example.com"},
    {"s.ramanujan", "ஸ்ரீனிவாச ராமானுஜன்", "s.ramanujan@example.com"},
    {"c.v.raman", "चन्द्रशेखर वेङ्कटरामन्", "c.v.raman@example.com"},
    {"jang.yeongsil", "장영실", "jang.yeongsil@example.com"},
    {"rosalind.f", "Rosalind Franklin", "rosalind.f@example.com"},
    {"niels.bohr", "Niels Bohr", "niels.bohr@example.com"},
    {"lise.meitner", "Lise Meitner", "lise.meitner@example.com"},
    {"tycho.brahe", "Tycho Brahe", "tycho.brahe@example.com"},
    {"a.celsius", "Anders Celsius", "a.celsius@example.com"},
    {"m.mirzakhani", "مریم میرزاخانی", "m.mirzakhani@example.com"},
    {"l.euler", "Leonhard Euler", "l.euler@example.com"},
    {"c.gauss", "Carl Friedrich Gauß", "c.gauss@example.com"},
    {"h.poincare", "Henri Poincaré", "h.poincare@example.com"},
    {"e.galois", "Évariste Galois", "e.galois@example.com"},
    {"n.abel", "Niels Henrik Abel", "n.abel@example.com"},
    {"k.johnson", "Katherine Johnson", "k.johnson@example.com"},
    {"d.vaughan", "Dorothy Vaughan", "d.vaughan@example.com"},
    {"m.hamilton", "Margaret Hamilton", "m.hamilton@example.com"},
    {"b.liskov", "Barbara Liskov", "b.liskov@example.com"},
    {"e.dijkstra", "Edsger W. Dijkstra", "e.dijkstra@example.com"},
    {"d.ritchie", "Dennis Ritchie", "d.ritchie@example.com"},
    {"k.thompson", "Ken Thompson", "k.thompson@example.com"},
    {"f.allen", "Frances Allen", "f.allen@example.com"},
    {"w.mcclintock", "Barbara McClintock", "w.mcclintock@example.com"},
    {"c.houssay", "Bernardo Houssay", "c.houssay@example.com"},
    {"w.maathai", "Wangarĩ Maathai", "w.maathai@example.com"},
};
const unsigned sample_manager_count = COUNT(sample_managers);

/* What a spreadsheet would take for a formula, and other traps. */
static const char *const traps[] = {"=SUM(A1:A9)",
                                    "-1",
                                    "@x",
                                    "+1+1",
                                    "'quoted",
                                    "NULL",
                                    "007",
                                    "1e5",
                                    "TRUE",
                                    "\"",
                                    "a,b;c|d",
                                    "#N/A",
                                    "=HYPERLINK(\"http://x.example\",\"y\")",
                                    "0x1F",
                                    "😀👩‍💻",
                                    "%s%n"};

static const char *const notes[] = {"",
                                    "",
                                    "",
                                    "Badge 0042, floor 3",
                                    "Says \"call me first\"",
                                    "two\nlines",
                                    "CRLF\r\nlines, with \"quotes\"",
                                    " spaces around ",
                                    "=1+1",
                                    "Ελληνικά, עברית, 中文",
                                    "\ttab",
                                    "lone\rCR",
                                    "'apostrophe",
                                    "0001",
                                    ",",
                                    "🙂"};

/* splitmix64: every seed gives another sequence, and one step costs a
 * nanosecond. */
static uint64_t
next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Takes a number below `count` out of the random bits. */
static uint64_t
pick(uint64_t *bits, uint64_t count)
{
    uint64_t picked = *bits % count;

    *bits /= count;
    return picked;
}

static void
add_number(struct buf *to, uint64_t number, int width)
{
    char digits[20];
    int at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || (int)sizeof(digits) - at < width);
    buf_add(to, digits + at, sizeof(digits) - (size_t)at);
}

/* first.last and the row's number, or a number of ten digits, or capitals:
 * unique, since the letters hold no digit. */
static void
add_account(struct buf *to, const char *first, const char *last, uint64_t row,
            uint64_t kind)
{
    if (kind == 0) {
        buf_text(to, "00");
        add_number(to, row, 8);
        return;
    }
    size_t begin = to->len;

    buf_text(to, first);
    buf_char(to, '.');
    buf_text(to, last);
    if (kind == 1 && !to->failed)
        to->data[begin] = (char)(to->data[begin] - 'a' + 'A');
    add_number(to, row, 1);
}

static void
add_phone(struct buf *to, const char *dial, uint64_t bits)
{
    switch (pick(&bits, 8)) {
    case 0:
        buf_text(to, "00"); /* leading zeros have to stay */
        add_number(to, pick(&bits, 10000000000), 10);
        break;
    case 1:
        add_number(to, pick(&bits, 1000), 3);
        buf_char(to, '-');
        add_number(to, pick(&bits, 1000), 3);
        buf_char(to, '-');
        add_number(to, pick(&bits, 10000), 4);
        break;
    default:
        buf_text(to, dial);
        buf_char(to, ' ');
        add_number(to, pick(&bits, 10000000), 7);
    }
}

/* `text` over and over, up to 256 characters. */
static void
add_long(struct buf *to, const char *text, bool one_byte)
{
    size_t len = strlen(text);

    /* No more bytes than characters are allowed in ASCII; else a fourth. */
    for (size_t used = len; used <= (one_byte ? 256u : 64u); used += len)
        buf_text(to, text);
}

static void
add_name(struct buf *to, const char *own, const char *ascii, uint64_t bits)
{
    uint64_t kind = pick(&bits, 2000);

    if (kind < 20)
        csv_field(to, str_of(traps[pick(&bits, COUNT(traps))]), false);
    else if (kind < 22)
        add_long(to, ascii, true);
    else if (kind < 24)
        add_long(to, "長い", false);
    else
        csv_field(to, str_of(own), false);
}

/* From 2020 to 2029, mostly whole hours where the person lives. */
static struct moment
make_start(const struct people *people, uint64_t bits)
{
    struct moment m = {.offset_min = (int16_t)people->offset_min};
    uint64_t kind = pick(&bits, 16);

    m.ms = INT64_C(1577836800000) +
           (int64_t)pick(&bits, 3650 * 24) * 3600 * 1000;
    if (kind < 3)
        m.offset_min = offsets[pick(&bits, COUNT(offsets))];
    else if (kind < 8)
        m.offset_min = 0;
    if (kind == 4)
        m.ms += (int64_t)pick(&bits, 3600 * 1000);
    return m;
}

static void
add_date(struct buf *to, struct moment m)
{
    char text[MOMENT_TEXT];

    buf_add(to, text, moment_csv(m, text));
}

static void
add_row(struct buf *to, uint64_t row, uint64_t *state, bool custom)
{
    uint64_t bits = next(state);
    const struct people *people = &peoples[pick(&bits, COUNT(peoples))];
    uint64_t first = pick(&bits, NAMES), last = pick(&bits, NAMES);
    const char *first_ascii = people->first[first].ascii;
    const char *last_ascii = people->last[last].ascii;
    uint64_t account_kind = pick(&bits, 32);
    const struct sample_manager *manager =
        &sample_managers[pick(&bits, COUNT(sample_managers))];
    struct moment start = make_start(people, next(state));
    struct moment end = start;
    uint64_t term = next(state);

    end.ms += (int64_t)pick(&term, 730) * 24 * 3600 * 1000;
    add_account(to, first_ascii, last_ascii, row, account_kind);
    buf_char(to, ',');
    add_name(to, people->first[first].own, first_ascii, next(state));
    buf_char(to, ',');
    add_name(to, people->last[last].own, last_ascii, next(state));
    buf_char(to, ',');
    add_phone(to, people->dial, next(state));
    buf_char(to, ',');
    buf_text(to, last_ascii);
    add_number(to, row, 1);
    buf_char(to, '@');
    buf_text(to, people->domain);
    buf_char(to, ',');
    buf_text(to, manager->alias);
    buf_char(to, ',');
    add_date(to, start);
    buf_char(to, ',');
    add_date(to, end);
    if (custom) {
        buf_char(to, ',');
        if (pick(&term, 4) != 0)
            add_number(to, pick(&term, 100000), 6);
        buf_char(to, ',');
        csv_field(to, str_of(notes[pick(&term, COUNT(notes))]), false);
    }
    buf_char(to, '\n');
}

enum error_code
sample_write(struct sink *sink, uint64_t rows, uint64_t seed, bool custom,
             struct error *err)
{
    CLEANUP(buf_done) struct buf text;
    uint64_t state = seed;
    enum error_code rc = ERR_OK;

    buf_init(&text, BUFFER + ROW_MAX);
    buf_text(&text, "accountName,firstName,lastName,phone,email,manager,"
                    "startDate,endDate");
    buf_text(&text,
             custom ? "," SAMPLE_COST_CENTER "," SAMPLE_NOTES "\n" : "\n");
    for (uint64_t row = 1; rc == ERR_OK && row <= rows; row++) {
        add_row(&text, row, &state, custom);
        if (text.len < BUFFER)
            continue;
        rc = sink_write(sink, text.data, text.len, err);
        buf_clear(&text);
    }
    if (rc == ERR_OK && text.failed)
        rc = error_busy(err, "no memory for sample rows");
    if (rc == ERR_OK)
        rc = sink_write(sink, text.data, text.len, err);
    return rc;
}
