"""A Django site with two caches in the store, and its sessions in one of them.

    pip install django django-redis redis gunicorn
    DJANGO_SETTINGS_MODULE=site_settings gunicorn -w 4 urls:application
"""
import os

url = os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0")

CACHES = {
    # Django's own.
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": url,
        "KEY_PREFIX": "django",
    },
    # django-redis, which can also lock, list and delete by pattern.
    "django-redis": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "KEY_PREFIX": "django-redis",
        "OPTIONS": {"CLIENT_CLASS": "django_redis.client.DefaultClient"},
    },
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
SESSION_CACHE_ALIAS = os.environ.get("SESSION_CACHE", "default")

SECRET_KEY = os.environ.get("SECRET_KEY", "only for this example")
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["django.contrib.sessions"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
ROOT_URLCONF = "urls"
USE_TZ = True
