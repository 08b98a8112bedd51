import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewapp.settings")
application = get_wsgi_application()

# Before the server forks: its processes then share what every page and operation needs, and none imports it anew.
from reviewapp import urls  # noqa: E402, F401

# What is loaded stays to the end: looking through it again and again would only part the shared memory.
gc.collect()
gc.freeze()
