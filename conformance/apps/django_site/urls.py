"""The pages of the site, and its WSGI application."""
import os

import redis
from django.conf import settings
from django.core.cache import caches
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.cache import cache_page

store = redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])


def index(request):
    return HttpResponse("ready")


def hit(request, alias):
    """Counts; every worker's hits are in the number."""
    cache = caches[alias]
    cache.add("hits", 0, timeout=None)
    return JsonResponse(cache.incr("hits"), safe=False)


def claim(request, alias, name):
    """True for the first who asks."""
    return JsonResponse(caches[alias].add(f"claim:{name}", os.getpid()), safe=False)


def deposit(request):
    """Reads, works and writes, one worker at a time: django-redis hands out redis-py's Lock."""
    cache = caches["django-redis"]
    with cache.lock("account lock", timeout=60, sleep=0.005):
        cache.set("account", cache.get("account", 0) + 1, timeout=None)
    return JsonResponse(True, safe=False)


def login(request, user):
    request.session.cycle_key()
    request.session["user"], request.session["visits"] = user, 0
    return JsonResponse(user, safe=False)


def visit(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse([request.session.get("user"), request.session["visits"], os.getpid()], safe=False)


def logout(request):
    request.session.flush()
    return JsonResponse(True, safe=False)


@cache_page(300)
def page(request, name):
    return HttpResponse(f"{name} {store.incr(f'made:{name}')}")


urlpatterns = [
    path("", index),
    path("hit/<alias>", hit),
    path("claim/<alias>/<name>", claim),
    path("deposit", deposit),
    path("login/<user>", login),
    path("visit", visit),
    path("logout", logout),
    path("page/<name>", page),
]
application = get_wsgi_application()
