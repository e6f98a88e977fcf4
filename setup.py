"""Puts the runbooks into the built package, so that `tradectl explain` needs no checkout.

They stand at the top of the repository, where people look for them; everything else is in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithRunbooks(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # an editable install reads them where they are
            folder = Path(self.build_lib, "tradectl", "runbooks")
            folder.mkdir(parents=True, exist_ok=True)
            for page in Path(__file__).parent.glob("runbooks/*.md"):
                shutil.copyfile(page, folder / page.name)


setup(cmdclass={"build_py": BuildWithRunbooks})
