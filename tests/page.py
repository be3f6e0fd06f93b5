"""A drawn page as a browser would take it apart, and texts that try to break it."""

from html.parser import HTMLParser

SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "link", "br", "img", "input", "hr", "col", "wbr"}
HOSTILE = (
    "</title></style></svg></script><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }} {% raw %} datum['x'] ]]> &amp; <!-- ",
    "\x00\x1b\u202e\ud800 https://example.org/a.png url(x)",
)


class Page(HTMLParser):
    """A page as tags with their attributes, text, and what stood open at the end."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.words, self.open = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self):
        return "".join(self.words)

    @property
    def skeleton(self):
        return [(tag, tuple(attributes)) for tag, attributes in self.tags]

    def attributes(self, name):
        return [found[name] for _, found in self.tags if name in found]
