"""Forty texts that try to leave the place they are shown in; each would mark the page `pwned` if it ran."""

from __future__ import annotations

_RUN = "document.title='pwned';document.body.id='pwned'"

PAYLOADS = (
    f"<script>{_RUN}</script>",
    f"<ScRiPt >{_RUN}</sCrIpT>",
    f"<script/x>{_RUN}</script>",
    f"</script><script>{_RUN}</script>",
    f"<img src=x onerror={_RUN}>",
    f'<img src=x onerror="{_RUN}">',
    f"<img src='x' onerror='{_RUN}'>",
    f"<svg onload={_RUN}>",
    f"<svg><script>{_RUN}</script></svg>",
    f"</svg><script>{_RUN}</script>",
    f"<body onload={_RUN}>",
    f"<iframe srcdoc='<script>{_RUN}</script>'></iframe>",
    f"<iframe src=javascript:{_RUN}></iframe>",
    f"<a href=javascript:{_RUN}>x</a>",
    f"<details open ontoggle={_RUN}>",
    f"<audio src=x onerror={_RUN}>",
    f"<video><source onerror={_RUN}></video>",
    f"<input autofocus onfocus={_RUN}>",
    f"<marquee onstart={_RUN}>",
    f"<object data='javascript:{_RUN}'></object>",
    f"<embed src='javascript:{_RUN}'>",
    f"<math><mtext><script>{_RUN}</script></mtext></math>",
    f"<form action='javascript:{_RUN}'><button autofocus>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href='https://example.org/'>",
    "<link rel=stylesheet href='https://example.org/x.css'>",
    "<style>body{display:none}</style>",
    "</style><style>*{display:none}</style>",
    "</title><b id=pwned>",
    "</textarea><b id=pwned>",
    "--><b id=pwned>",
    "<!--<b id=pwned>",
    "]]><b id=pwned>",
    f'"><img src=x onerror={_RUN}>',
    f"'><img src=x onerror={_RUN}>",
    f"' onmouseover='{_RUN}' x='",
    f'" autofocus onfocus="{_RUN}" x="',
    "{{ 7 * 7 }}{% for x in y %}{{ config }}",
    "&lt;script&gt;&#60;script&#62;&#x3c;script>",
    "\x00<\x00script>\u2028\u202e$\\frac{${7*7}#{7*7}",
)
assert len(set(PAYLOADS)) == 40
