"""`make screenshots`: every page in both languages, sizes and themes, and sheets to see them all.

python -m tests.browser.screenshots [directory] [word in the page's name]
"""

import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

from portal.environment import BASE_DIR
from tests.browser import driver
from tests.browser.pages import PAGES, Page
from tests.browser.stage import Stage, running_stage, visit

LOOKS = {
    "en-desk-light": ("en", driver.DESK, "light"),
    "en-phone-light": ("en", driver.PHONE, "light"),
    "zh-desk-dark": ("zh-hans", driver.DESK, "dark"),
    "zh-phone-dark": ("zh-hans", driver.PHONE, "dark"),
}
PAGES_A_SHEET = 12
COLUMNS = {"desk": 3, "phone": 6}
TILE_HEIGHT = {"desk": 620, "phone": 720}
SHEET_WIDTH = 1920
CAPTION = 22
GAP = 6


def shoot(stage: Stage, browser: driver.Browser, page: Page, look: str, directory: Path) -> Path:
    language, size, theme = LOOKS[look]
    options = {"locale": driver.LOCALES[language], "viewport": size, "color_scheme": theme}
    picture = directory / f"{page.name}-{look}.png"
    with stage.context(browser, page.role, reduced_motion="reduce", **options) as context:
        opened = context.new_page()
        visit(opened, page.url(stage.made))
        opened.screenshot(path=picture, full_page=True)
    return picture


def sheet(pictures: list[Path], size: str, target: Path) -> None:
    """Thumbnails with their names under them; of a long page the top."""
    columns, height = COLUMNS[size], TILE_HEIGHT[size]
    width = SHEET_WIDTH // columns
    paper = Image.new("RGB", (SHEET_WIDTH, -(-len(pictures) // columns) * height), "#777777")
    draw = ImageDraw.Draw(paper)
    for position, picture in enumerate(pictures):
        left, top = (position % columns) * width, (position // columns) * height
        room = (width - 2 * GAP, height - CAPTION - GAP)
        with Image.open(picture) as shot:
            small = shot.resize((room[0], max(1, shot.height * room[0] // shot.width)))
        paper.paste(small.crop((0, 0, room[0], min(small.height, room[1]))), (left + GAP, top))
        draw.text((left + GAP, top + height - CAPTION), picture.stem, fill="white")
    paper.save(target)


def main(word: str = "", directory: Path = BASE_DIR / "var" / "screenshots") -> None:
    directory.mkdir(parents=True, exist_ok=True)
    pages = [page for page in PAGES if word in page.name]
    with (
        tempfile.TemporaryDirectory() as own,
        running_stage(Path(own)) as stage,
        driver.chromium() as browser,
    ):
        for look in LOOKS:
            taken = [shoot(stage, browser, page, look, directory) for page in pages]
            for number, some in enumerate(batches(taken), start=1):
                target = directory / f"sheet-{look}-{number}.png"
                sheet(some, "phone" if "phone" in look else "desk", target)
                print(target)
    print(f"{len(pages)} pages, {len(LOOKS)} looks each: {directory}")


def batches(pictures: list[Path]) -> list[list[Path]]:
    starts = range(0, len(pictures), PAGES_A_SHEET)
    return [pictures[start : start + PAGES_A_SHEET] for start in starts]
