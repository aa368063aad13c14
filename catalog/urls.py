from django.urls import path

from catalog.api import Models, OneModel

app_name = "catalog"
urlpatterns = [
    path("models", Models.as_view(), name="models"),
    path("models/<str:id>", OneModel.as_view(), name="model"),
]
